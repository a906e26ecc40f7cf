#include "inventory/rows_csv.h"

/* A CSV file that is being written. */
struct csv_file {
    struct csv_writer writer;
    const struct selection *selection;
};

static bool write_row_as_csv(void *context, const struct db_row *row, struct error *err)
{
    struct csv_file *file = context;

    for (size_t i = 0; i < file->selection->header_count; i++) {
        const struct db_field *field = &row->fields[i];

        csv_writer_field(&file->writer, file->selection->headers[i].column->type, field->data, field->length);
    }
    return csv_writer_end_line(&file->writer, err);
}

bool inventory_rows_csv(struct db *db, const struct inventory_query *query, const struct csv_options *options,
                        const struct csv_output *output, const struct inventory_watcher *watcher,
                        struct inventory_progress *progress, struct error *err)
{
    struct csv_file file = {.selection = query->selection};
    const struct inventory_sink sink = {write_row_as_csv, &file};
    bool done;

    *progress = (struct inventory_progress) {0};
    csv_writer_begin(&file.writer, options, output);
    done = csv_writer_header(&file.writer, query->selection, err)
           && inventory_rows(db, query, &sink, watcher, progress, err)
           && csv_writer_flush(&file.writer, err);
    csv_writer_end(&file.writer);
    return done;
}
