/* A list of network hosts in the configuration: "hooks.example.org, relay:8443, [2001:db8::1]". */
#ifndef WAYBILL_BASE_HOSTS_H
#define WAYBILL_BASE_HOSTS_H

#include <stdbool.h>

/*
 * Whether the text is a list of hosts. Commas separate the entries, and whitespace around an entry is ignored. An entry
 * is a host name, an IPv4 address in dotted decimal form, or an IPv6 address in brackets, then optionally a colon and a
 * port from 1 to 65535. An internationalized host name must have its ASCII form (xn--...). "" is the empty list.
 */
bool hosts_is_valid(const char *list);

/*
 * Whether the list has the host: an entry without a port matches every port, an entry with a port only that one. Case
 * is ignored. IPv6 addresses, which must be in brackets, match in all their forms. An entry that hosts_is_valid rejects
 * matches nothing.
 */
bool hosts_contains(const char *list, const char *host, int port);

#endif
