/* The table of what the server answers. */
#include "serve/route.h"

#include "serve/handlers.h"
#include <string.h>

/* The most frequent first. */
static const struct cvg__route routes[] = {
    {"/v2/models/{m}/infer", CVG__POST, cvg__handle_infer},
    {"/v2/models/{m}/versions/{v}/infer", CVG__POST, cvg__handle_infer},
    {"/metrics", CVG__GET, cvg__handle_metrics},
    {"/v2/health/live", CVG__GET, cvg__handle_live},
    {"/v2/health/ready", CVG__GET, cvg__handle_ready},
    {"/v2", CVG__GET, cvg__handle_server},
    {"/v2/", CVG__GET, cvg__handle_server},
    {"/v2/models/stats", CVG__GET, cvg__handle_stats},
    {"/v2/models/{m}", CVG__GET, cvg__handle_model},
    {"/v2/models/{m}/versions/{v}", CVG__GET, cvg__handle_model},
    {"/v2/models/{m}/ready", CVG__GET, cvg__handle_model_ready},
    {"/v2/models/{m}/versions/{v}/ready", CVG__GET, cvg__handle_model_ready},
    {"/v2/models/{m}/config", CVG__GET, cvg__handle_config},
    {"/v2/models/{m}/versions/{v}/config", CVG__GET, cvg__handle_config},
    {"/v2/models/{m}/stats", CVG__GET, cvg__handle_stats},
    {"/v2/models/{m}/versions/{v}/stats", CVG__GET, cvg__handle_stats},
    {"/v2/repository/index", CVG__POST, cvg__handle_repository_index},
    {"/v2/repository/models/{m}/load", CVG__POST, cvg__handle_load},
    {"/v2/repository/models/{m}/unload", CVG__POST, cvg__handle_unload},
    {"/v1/apps", CVG__GET, cvg__handle_apps},
    {"/v1/apps/{i}", CVG__GET, cvg__handle_app},
    {"/v1/apps/{i}", CVG__POST, cvg__handle_change_app},
    {"/v1/requests/{i}", CVG__GET, cvg__handle_explain},
    {"/v1/requests/{i}", CVG__POST, cvg__handle_change_request},
    {"/v1/devices", CVG__GET, cvg__handle_devices},
    {"/v1/report", CVG__GET, cvg__handle_report},
    {"/", CVG__GET, cvg__handle_index_page},
};
#define N_ROUTES (sizeof routes / sizeof *routes)

static const struct cvg__route metrics_route = {"/metrics", CVG__GET,
                                                cvg__handle_metrics};

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cvg__percent_decode(const char *text, size_t n, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < n ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || len + 1 >= size) {
            return false;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

/* Decodes a segment into the place that `what` ('m', 'v', 'i') stands for. */
static bool capture(struct cvg__call *call, char what, const char *text,
                    size_t n)
{
    char *out = what == 'm'   ? call->model
                : what == 'v' ? call->version
                              : call->item;
    size_t size = what == 'm'   ? sizeof call->model
                  : what == 'v' ? sizeof call->version
                                : sizeof call->item;
    return cvg__percent_decode(text, n, out, size) &&
           (what == 'v' ? out[0] != '\0' : cvg__name_valid(out));
}

/* Does the path have this shape? Names are decoded on the way: *bad. */
static bool matches(struct cvg__call *call, const char *pattern,
                    const char *path, bool *bad)
{
    *bad = false;
    call->model[0] = call->version[0] = call->item[0] = '\0';
    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        size_t n = strcspn(path, "/");
        if (n == 0) {
            return false;
        }
        *bad = !capture(call, pattern[1], path, n) || *bad;
        path += n;
        pattern += 3;
    }
    return *path == '\0';
}

static unsigned method_of(const char *name)
{
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0) {
        return CVG__GET;
    }
    return strcmp(name, "POST") == 0 ? CVG__POST : 0;
}

static const char *allow_text(unsigned methods)
{
    return methods == CVG__POST         ? "POST"
           : (methods & CVG__POST) != 0 ? "GET, HEAD, POST"
                                        : "GET, HEAD";
}

enum cvg__match cvg__route_find(struct cvg__call *call, const char *method,
                                const char *path, const char **allow)
{
    unsigned asked = method_of(method), known = 0;
    bool bad;
    const struct cvg__route *table =
        call->metrics_port ? &metrics_route : routes;
    size_t n = call->metrics_port ? 1 : N_ROUTES;
    for (size_t i = 0; i < n; i++) {
        if (!matches(call, table[i].path, path, &bad)) {
            continue;
        }
        known |= table[i].method;
        if ((table[i].method & asked) != 0) {
            call->route = &table[i];
            return bad ? CVG__BAD_NAME : CVG__MATCH;
        }
    }
    *allow = allow_text(known);
    return known == 0 ? CVG__NO_PATH : CVG__NO_METHOD;
}
