/* What would another policy have done with what arrived? */
#ifndef CVG_CLI_WHATIF_H
#define CVG_CLI_WHATIF_H

#include "record/record.h"
#include <jansson.h>

/* The text that names a record's policy. */
const char *cvg_whatif_policy(const struct cvg_record *record);

/* Simulates what a record holds of the world (arrivals, clients that went away,
 * devices that went and came, changes by the operator) twice: under the
 * recorded policy and under this one, service times by the profile. *reports is
 * an array of two, owned by the caller; mode "replay". */
enum cvg_status cvg_whatif(struct cvg_record *record, const char *policy,
                           json_t **reports, struct cvg_error *err);

#endif
