/* What a page says of a box and a workload. */
#ifndef CVG_REPORT_PAGE_BOX_H
#define CVG_REPORT_PAGE_BOX_H

#include "domain/workload.h"
#include <jansson.h>

/* Adds "box", "devices", "apps", "variants". */
void cvg__page_add_box(json_t *page, const struct cvg_box *box);
/* Adds "workload", "events". */
void cvg__page_add_workload(json_t *page, const struct cvg_workload *workload,
                            const struct cvg_box *box);

#endif
