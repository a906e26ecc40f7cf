#include "http/drains.h"

#include "base/clock.h"

/* Closes a connection, whether its request has ended or not. */
static void close_drain(struct drains *drains, struct connection *connection)
{
    connection_list_remove(&drains->list, connection);
    connection_free(connection);
}

void drains_receive(struct drains *drains, struct connection *connection)
{
    enum connection_result result = connection_receive(connection);

    connection->drained += connection->input.length;
    if (connection_skip(connection) || result == CONNECTION_LOST || connection->drained > drains->limits.size)
        close_drain(drains, connection);
}

void drains_add(struct drains *drains, struct connection *connection)
{
    connection->is_draining = true;
    connection->deadline = clock_monotonic_ms() + drains->limits.ms;
    connection_list_append(&drains->list, connection);
    if (drains->list.count > drains->limits.connections)
        close_drain(drains, drains->list.first);
}

void drains_close_expired(struct drains *drains, int64_t now)
{
    while (drains->list.first != NULL && drains->list.first->deadline <= now)
        close_drain(drains, drains->list.first);
}
