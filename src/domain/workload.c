/* A workload's memory. */
#include "domain/workload.h"

#include <stdlib.h>

void cvg_workload_destroy(struct cvg_workload *workload)
{
    if (workload == NULL) {
        return;
    }
    for (size_t i = 0; i < workload->n_streams; i++) {
        free(workload->streams[i].rows);
    }
    free(workload->streams);
    free(workload->events);
    free(workload->path);
    free(workload);
}
