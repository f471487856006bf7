/* Files in memory for the tests of config: a correct box with its CSV files and
 * a workload, and ways to spoil them. */
#ifndef CVG_TESTS_CONFIG_TEXTS_H
#define CVG_TESTS_CONFIG_TEXTS_H

#include "config/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BOX_PATH "b/box.yaml"
#define PROFILE_PATH "b/profile.csv"
#define VARIANTS_PATH "b/variants.csv"
#define WORKLOAD_PATH "b/workload.yaml"

/* clang-format off */
static const char box_text[] =
"version: 1\n"
"models: ../models\n"
"profiles: [profile.csv]\n"
"variants: [variants.csv]\n"
"policy: {name: convergo}\n"
"server: {http: 127.0.0.1:8000, socket: /run/x.sock}\n"
"devices:\n"
"  - name: gpu\n"
"    kind: gpu\n"
"    backend: emulated\n"
"    profile: nx-gpu\n"
"    discipline: processor-sharing\n"
"    units: 1\n"
"    in_flight: 2\n"
"    memory: 6GiB\n"
"    resident: 4\n"
"    power: {idle: 2W, busy: 10W}\n"
"  - {name: cpu0, kind: cpu, backend: onnxruntime, provider: XNNPACK, options: {a: b}, units: 2}\n"
"  - {name: tpu0, kind: tpu, backend: emulated, profile: coral,\n"
"     cache: 8MiB, switch: {fixed: 1.95ms, per_mib: 2.41ms}}\n"
"contention: [{devices: [gpu, tpu0], slowdown: 1.27}]\n"
"families:\n"
"  - {name: imagenet, metric: top1, variants: [small, large], dataset: l.bin}\n"
"  - {name: faces, metric: ap, variants: [face]}\n"
"apps:\n"
"  - name: door\n"
"    family: imagenet\n"
"    weight: 2\n"
"    slo: {deadline: 50ms, accuracy: 0.75, throughput: 30/s, energy: 60mJ}\n"
"    accuracy_over: window\n"
"    relax: [accuracy, throughput]\n"
"    queue: 50\n"
"  - {name: desk, family: imagenet}\n";

static const char profile_text[] =
"variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,source,switch_ms,load_ms\n"
"small,0,coral,1,2.6,,,,4.2,1000,\"made, up\",,\n"
"small,0,nx-gpu,1,1,1,1.5,2,5,1000,made up,,\n"
"small,1,nx-gpu,1,2,2,2.5,3,10,1000,made up,,\n"
"large,0,nx-gpu,8,10.2,,,,100,1000,made up,,\n"
"large,0,nx-gpu,1,2.57,,,,35.5,1000,made up,12.5,300\n"
"face,0,cpu0,1,3,,,,,,,,\n"
"other,0,cpu0,1,3,,,,,,,,\n"
"face,0,orin,1,3,,,,,,,,\n";

static const char variants_text[] =
"variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,sparsity,source\n"
"small,0,0.6,top1,imagenet,50000,4,16,0.5,made up\n"
"small,1,0.7,top1,imagenet,50000,4,16,0.5,made up\n"
"large,0,0.8,top1,imagenet,50000,25,120,,made up\n"
"face,0,0.9,ap,faces,1000,1.5,,,made up\n"
"other,0,0.9,ap,faces,1000,1.5,,,made up\n";

static const char workload_text[] =
"version: 1\n"
"duration: 60s\n"
"warmup: 5s\n"
"apps:\n"
"  - {app: desk, arrivals: {process: gamma, rate: 5/s, shape: 0.5}}\n"
"  - {app: door, arrivals: {process: poisson, rate: 30/s}}\n"
"events:\n"
"  - {at: 45s, app: door, rate: 90/s}\n"
"  - {at: 20s, device: tpu0, state: down, for: 10s}\n"
"  - {at: 30s, device: gpu, slowdown: 2.0}\n"
"  - {at: 40s, app: door, slo: {deadline: 20ms}}\n"
"  - {at: 40s, device: tpu0, state: up}\n";
/* clang-format on */

/* `text` with its only `find` replaced; the whole text if `find` is NULL. Owned
 * by the caller. */
static inline char *edited(const char *text, const char *find, const char *with)
{
    const char *at = find != NULL ? strstr(text, find) : NULL;
    if (find == NULL) {
        return strdup(with);
    }
    if (at == NULL || strstr(at + 1, find) != NULL) {
        fail_msg("'%s' is not once in the text", find);
    }
    size_t size = strlen(text) - strlen(find) + strlen(with) + 1;
    char *out = malloc(size);
    if (out == NULL) {
        fail_msg("out of memory");
        abort();
    }
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - text), text, with,
                   at + strlen(find));
    return out;
}

static inline struct cvg_config_file held(const char *path, const char *text)
{
    return (struct cvg_config_file){path, text, strlen(text)};
}

static inline enum cvg_status read_box(const char *box, const char *profile,
                                       const char *variants, unsigned flags,
                                       const struct cvg_config_notes *notes,
                                       struct cvg_box **out,
                                       struct cvg_error *err)
{
    struct cvg_config_file files[] = {held(BOX_PATH, box),
                                      held(PROFILE_PATH, profile),
                                      held(VARIANTS_PATH, variants)};
    return cvg_config_read_box(files, 3, flags, notes, out, err);
}

static inline struct cvg_box *good_box(void)
{
    struct cvg_box *box;
    struct cvg_error err = {.text = ""};
    if (read_box(box_text, profile_text, variants_text, 0, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    return box;
}

/* One spoilt text and what must be said of it. */
struct spoilt {
    const char *find, *with; /* see edited() */
    const char *message;     /* exactly */
};

static inline void expect_message(const struct spoilt *s,
                                  enum cvg_status status,
                                  const struct cvg_error *err)
{
    if (status == CVG_OK) {
        fail_msg("no error for '%s'; expected: %s", s->with, s->message);
    }
    if (strcmp(err->text, s->message) != 0) {
        fail_msg("for '%s':\n got      %s\n expected %s", s->with, err->text,
                 s->message);
    }
    assert_int_equal(err->status, status);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

#endif
