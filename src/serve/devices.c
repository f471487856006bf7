/* The devices of the box: opened at the start, loaded with what the first
 * allocation asks for, closed at the end. One that cannot be opened is down;
 * the others serve. */
#include "serve/server.h"

#include "serve/log.h"
#include <convergo/stats.h>
#include <stdlib.h>

/* CVG_OK though it could not be opened: then `why` says why. */
static enum cvg_status open_device(struct cvg__server *s, uint32_t d,
                                   struct cvg_error *why, struct cvg_error *err)
{
    const struct cvg_device *device = &s->box->devices[d];
    struct cvg__device *to = &s->devices[d];
    to->ops = cvg_backend_find(device->backend);
    if (to->ops == NULL) {
        return cvg_fail(err, CVG_CONFIG, "device '%s': no backend '%s'",
                        device->name, device->backend);
    }
    to->holds = calloc(s->box->n_variants, sizeof *to->holds);
    if (to->holds == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for devices");
    }
    struct cvg_device_env env = cvg__drive_env(s);
    if (to->ops->open(&env, d, &to->backend, why) != CVG_OK) {
        to->backend = NULL;
        s->device_errors = true;
        cvg__log('E', "event=device_down device=%s error=\"%s\"", device->name,
                 why->text);
    }
    return CVG_OK;
}

enum cvg_status cvg__devices_open(struct cvg__server *s, struct cvg_error *err)
{
    s->devices = calloc(s->box->n_devices, sizeof *s->devices);
    if (s->devices == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for devices");
    }
    struct cvg_error why = {.text = ""};
    bool any = false;
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        enum cvg_status status = open_device(s, d, &why, err);
        if (status != CVG_OK) {
            return status;
        }
        any = any || s->devices[d].backend != NULL;
    }
    if (!any) {
        return cvg_fail(err, CVG_DEVICE, "no device can be opened; %s: %.400s",
                        s->box->devices[s->box->n_devices - 1].name, why.text);
    }
    return CVG_OK;
}

static void load_first(struct cvg__server *s, uint32_t d, uint32_t v)
{
    struct cvg_error err;
    if (s->devices[d].ops->load(s->devices[d].backend, v, &err) == CVG_OK) {
        s->loading++;
        s->loads_pending++;
        return;
    }
    s->load_errors++;
    cvg__log('E', "event=load_failed device=%s variant=%s error=\"%s\"",
             s->box->devices[d].name, s->box->variants[v].name, err.text);
    cvg__drive(s, &(struct cvg_event){.type = CVG_EV_LOAD_FAILED,
                                      .model_on = {.device = d, .variant = v}});
}

/* In the order of importance, as far as the engine says that they fit. The
 * engine counts them as there from the start; it is told which are not. */
void cvg__devices_load(struct cvg__server *s)
{
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        for (uint32_t k = 0; s->devices[d].backend != NULL; k++) {
            uint32_t v = cvg_engine_initial(s->engine, d, k);
            if (v == CVG_ANY) {
                break;
            }
            if (cvg_engine_resident(s->engine, d, v)) {
                load_first(s, d, v);
            }
        }
    }
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        if (s->devices[d].backend == NULL) {
            cvg__drive(
                s, &(struct cvg_event){.type = CVG_EV_DEVICE,
                                       .device = {.device = d, .up = false}});
        }
    }
}

void cvg__devices_close(struct cvg__server *s)
{
    for (size_t d = 0; s->devices != NULL && d < s->box->n_devices; d++) {
        if (s->devices[d].backend != NULL) {
            s->devices[d].ops->close(s->devices[d].backend);
            s->devices[d].backend = NULL;
        }
    }
}

void cvg__devices_free(struct cvg__server *s)
{
    for (size_t d = 0; s->devices != NULL && d < s->box->n_devices; d++) {
        free(s->devices[d].holds);
    }
    free(s->devices);
    s->devices = NULL;
}

bool cvg__device_up(const struct cvg__server *s, uint32_t d)
{
    return s->devices[d].backend != NULL &&
           cvg_engine_stats(s->engine)->devices[d].up;
}
