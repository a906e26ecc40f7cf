/* URLs of services in the configuration. http/outgoing.h parses the URLs that requests use. */
#ifndef WAYBILL_BASE_URL_H
#define WAYBILL_BASE_URL_H

/*
 * Checks the URL of a service to which secrets are sent: https://HOST or https://HOST:PORT, then optionally a path of
 * letters, digits and the characters . _ ~ - and /. The scheme http is allowed only for the hosts localhost, 127.0.0.1
 * and [::1]. Schemes are in lower case. Returns NULL if the URL is valid, otherwise the rule that it breaks.
 */
const char *url_check_service(const char *url);

#endif
