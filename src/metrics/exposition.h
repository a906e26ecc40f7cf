/* The metrics as text: Prometheus' exposition format, version 0.0.4. */
#ifndef WAYBILL_METRICS_EXPOSITION_H
#define WAYBILL_METRICS_EXPOSITION_H

#include "base/buffer.h"
#include "db/connection.h"

#define EXPOSITION_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends all families: first adds the counters of this process to the totals, then reads the totals and the gauges. If
 * `db` is NULL or fails, the text holds only waybill_build_info and waybill_database_up.
 */
void exposition_write(struct buffer *text, struct db *db);

#endif
