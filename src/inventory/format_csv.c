/* CSV with a header of column keys, such as an exported file whose header names are the keys. */
#include <string.h>

#include "base/text.h"
#include "inventory/csv_reader.h"
#include "inventory/formats.h"

/* The columns of a file. */
struct csv_header {
    size_t count;
    enum record_field fields[RECORD_FIELD_COUNT];
};

static bool reject_header(const struct loader *loader, const char *problem, const struct db_field *name,
                          struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_PARAMETER, "%s: the CSV header %s %s", loader->position.file, problem,
                     text_excerpt(excerpt, name->data == NULL ? "" : name->data, name->length));
}

static bool read_csv_header(const struct loader *loader, const struct csv_record *names, struct csv_header *header,
                            struct error *err)
{
    bool is_present[RECORD_FIELD_COUNT] = {false};

    header->count = names->count;
    for (size_t i = 0; i < names->count; i++) {
        const struct db_field *name = &names->fields[i];
        enum record_field field = name->data == NULL ? RECORD_FIELD_COUNT : record_find(name->data, name->length);

        if (field == RECORD_FIELD_COUNT)
            return reject_header(loader, "has an unknown column:", name, err);
        if (is_present[field])
            return reject_header(loader, "repeats the column", name, err);
        is_present[field] = true;
        header->fields[i] = field;
    }
    if (!is_present[RECORD_CONTAINER_ID])
        return error_set(err, ERROR_PARAMETER, "%s: the CSV header must have the column container_id",
                         loader->position.file);
    return true;
}

/* Fills all columns, so that the container_id is known even if another column is refused. */
static bool fill_csv_record(struct record *record, const struct csv_header *header, const struct csv_record *values,
                            struct error *err)
{
    struct error later;
    bool filled = true;

    record_clear(record);
    if (values->count != header->count)
        return error_set(err, ERROR_PARAMETER, "the record has %zu fields, and the header has %zu", values->count,
                         header->count);
    for (size_t i = 0; i < values->count; i++) {
        const struct db_field *value = &values->fields[i];

        if (value->data != NULL
            && !record_set_exported(record, header->fields[i], value->data, value->length, filled ? err : &later))
            filled = false;
    }
    return filled && record_check(record, err);
}

/* Fills a column that is NULL with the value of an option, which may be NULL. */
static bool fill_default(struct record *record, enum record_field field, const char *option, struct error *err)
{
    return record->fields[field].data != NULL || record_set_string(record, field, option, err);
}

static bool load_csv_record(struct loader *loader, const struct csv_header *header, const struct csv_record *values,
                            struct error *err)
{
    const struct loader_options *options = loader->options;
    struct record record;
    bool filled = fill_csv_record(&record, header, values, err)
                  && fill_default(&record, RECORD_CLUSTER_NAME, options->cluster_name, err)
                  && fill_default(&record, RECORD_CLUSTER_TYPE, options->cluster_type, err);

    return filled ? loader->sink->container(loader->sink->context, &record, &loader->position, err)
                  : loader_refuse(loader, &record, err);
}

static bool load_csv_records(struct loader *loader, struct csv_reader *reader, struct input *input, struct error *err)
{
    const struct loader_sink *sink = loader->sink;
    struct csv_header header = {0};
    struct csv_record record;

    for (;;) {
        struct error reason;

        switch (csv_reader_next(reader, &record, &reason)) {
        case CSV_READER_FAILED:
            return error_set(err, reason.code, "%s: %s", loader->position.file, reason.message);
        case CSV_READER_END:
            return true;
        case CSV_READER_RECORD:
            break;
        }
        if (header.count == 0) {
            if (!read_csv_header(loader, &record, &header, err))
                return false;
            continue;
        }
        loader->position.item++;
        loader->position.line = record.line;
        if (!load_csv_record(loader, &header, &record, err)
            || !sink->progress(sink->context, input_position(input), err))
            return false;
    }
}

bool csv_load(struct loader *loader, struct input *input, struct error *err)
{
    struct csv_reader *reader = csv_reader_new(input);
    bool loaded = load_csv_records(loader, reader, input, err);

    csv_reader_free(reader);
    return loaded;
}
