/* One GET, waited for: what is asked of a server before and after a run. */
#ifndef CVG_LOAD_GET_H
#define CVG_LOAD_GET_H

#include "load/address.h"
#include <convergo/time.h>
#include <jansson.h>

/* The JSON object or array at `path`. CVG_IO: no connection, no reply in time,
 * no JSON; CVG_NOTFOUND: 404. *out is owned by the caller. */
enum cvg_status cvg__get_json(const struct cvg_address *server,
                              const char *path, cvg_span timeout, json_t **out,
                              struct cvg_error *err);

#endif
