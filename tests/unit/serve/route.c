/* Method and path to handler. */
#include "cases.h"

#include "serve/handlers.h"

static struct cvg__call call;
static const char *allow;

static enum cvg__match find(const char *method, const char *path)
{
    memset(&call, 0, sizeof call);
    allow = NULL;
    return cvg__route_find(&call, method, path, &allow);
}

static void paths_lead_to_their_handlers(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *model, *version;
        cvg__handler *handler;
    } cases[] = {
        {"POST", "/v2/models/m/infer", "m", "", cvg__handle_infer},
        {"POST", "/v2/models/m/versions/3/infer", "m", "3", cvg__handle_infer},
        {"GET", "/v2", "", "", cvg__handle_server},
        {"GET", "/v2/", "", "", cvg__handle_server},
        {"HEAD", "/v2/health/ready", "", "", cvg__handle_ready},
        {"GET", "/v2/models/stats", "", "", cvg__handle_stats},
        {"GET", "/v2/models/m/stats", "m", "", cvg__handle_stats},
        {"GET", "/v2/models/a%2Db%2e1", "a-b.1", "", cvg__handle_model},
        {"POST", "/v2/repository/models/m/load", "m", "", cvg__handle_load},
        {"GET", "/v1/apps", "", "", cvg__handle_apps},
        {"GET", "/", "", "", cvg__handle_index_page},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(find(cases[i].method, cases[i].path), CVG__MATCH);
        assert_ptr_equal(call.route->handler, cases[i].handler);
        assert_string_equal(call.model, cases[i].model);
        assert_string_equal(call.version, cases[i].version);
    }
}

static void others_are_refused(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "/v",
                                       "/v3",
                                       "/v2/x",
                                       "/v2//models",
                                       "/v2/models/",
                                       "/v2/models//infer",
                                       "/v2/models/m/infer/",
                                       "/v2/models/a/b"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(find("GET", none[i]), CVG__NO_PATH);
    }
    assert_int_equal(find("GET", "/v2/models/m/infer"), CVG__NO_METHOD);
    assert_string_equal(allow, "POST");
    assert_int_equal(find("POST", "/v2"), CVG__NO_METHOD);
    assert_string_equal(allow, "GET, HEAD");
    assert_int_equal(find("BREW", "/v2"), CVG__NO_METHOD);
}

static void names_cannot_lead_elsewhere(void **state)
{
    (void)state;
    static const char *const bad[] = {"..",    ".m",  "%2e%2e", "a%2fb",
                                      "a%00b", "a%",  "a%2",    "a%zz",
                                      "a%20b", "%ff", "a\\b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/v2/models/%s/infer", bad[i]);
        assert_int_equal(find("POST", path), CVG__BAD_NAME);
    }
    char longer[400] = "/v2/models/";
    memset(longer + 11, 'a', 300);
    assert_int_equal(find("GET", longer), CVG__BAD_NAME);
}

static void the_metrics_port_has_metrics_only(void **state)
{
    (void)state;
    memset(&call, 0, sizeof call);
    call.metrics_port = true;
    assert_int_equal(cvg__route_find(&call, "GET", "/metrics", &allow),
                     CVG__MATCH);
    assert_int_equal(cvg__route_find(&call, "GET", "/v2", &allow),
                     CVG__NO_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_their_handlers),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(names_cannot_lead_elsewhere),
        cmocka_unit_test(the_metrics_port_has_metrics_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
