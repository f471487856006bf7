/* Is it alive, is it ready? Neither waits for anything or takes a lock. */
#include "serve/handlers.h"
#include "serve/server.h"

static void answer(struct cvg__call *call, unsigned status, bool ready)
{
    cvg__text_str(&call->text, ready ? "{\"live\":true,\"ready\":true}"
                                     : "{\"live\":true,\"ready\":false}");
    cvg__call_reply(call, status, "application/json");
}

void cvg__handle_live(struct cvg__server *s, struct cvg__call *call)
{
    answer(call, 200, cvg__server_ready(s));
}

void cvg__handle_ready(struct cvg__server *s, struct cvg__call *call)
{
    bool ready = cvg__server_ready(s);
    answer(call, ready ? 200 : 503, ready);
}

void cvg__handle_index_page(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_text *t = &call->text;
    cvg__text_str(t, "convergo " CVG_VERSION "\n\n"
                     "GET  /v2                     the server\n"
                     "GET  /v2/health/live         /v2/health/ready\n");
    for (size_t i = 0; i < s->n_models; i++) {
        cvg__text_format(t, "POST /v2/models/%s/infer%s\n", s->models[i].name,
                         s->models[i].variant == CVG_ANY ? "   (a family)"
                                                         : "");
    }
    cvg__text_str(t, "GET  /v2/models/NAME         /ready /config /stats\n"
                     "POST /v2/repository/index    /models/NAME/load, /unload\n"
                     "GET  /v1/apps                applications\n"
                     "GET  /v1/devices             devices\n"
                     "GET  /v1/requests/ID         why, for one request\n"
                     "GET  /v1/report              the run so far\n"
                     "GET  /metrics                for Prometheus\n");
    cvg__call_reply(call, 200, "text/plain; charset=utf-8");
}
