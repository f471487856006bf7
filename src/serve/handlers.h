/* What the routes lead to; each answers its call now or later. */
#ifndef CVG_SERVE_HANDLERS_H
#define CVG_SERVE_HANDLERS_H

#include "serve/route.h"

/* health.c */
cvg__handler cvg__handle_live, cvg__handle_ready, cvg__handle_index_page;
/* metadata.c */
cvg__handler cvg__handle_server, cvg__handle_model, cvg__handle_model_ready,
    cvg__handle_config;
/* infer.c */
cvg__handler cvg__handle_infer;
/* stats.c */
cvg__handler cvg__handle_stats;
/* repository.c */
cvg__handler cvg__handle_repository_index, cvg__handle_load, cvg__handle_unload;
/* metrics.c */
cvg__handler cvg__handle_metrics;
/* bounds.c */
cvg__handler cvg__handle_app, cvg__handle_change_app,
    cvg__handle_change_request;
/* v1.c */
cvg__handler cvg__handle_apps, cvg__handle_explain, cvg__handle_devices,
    cvg__handle_report;

/* The model that the path names, in server->models; else the call is answered
 * (404, or 400 for a version that is none) and this is CVG_ANY. */
uint32_t cvg__named_model(struct cvg__server *server, struct cvg__call *call);

#endif
