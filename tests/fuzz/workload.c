/* Fuzzes the reading of workloads against a box, and without one: a trace CSV
 * (the input begins as one does), else workload.yaml, and behind a NUL the
 * trace that it may name as t.csv. */
#include "config/config.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char box_text[] =
    "version: 1\nprofiles: [p.csv]\nvariants: [v.csv]\n"
    "devices: [{name: gpu, kind: gpu, backend: emulated}]\n"
    "families: [{name: f, metric: top1, variants: [v]}]\n"
    "apps: [{name: door, family: f}, {name: desk, family: f}]\n";
static const char profile_text[] =
    "variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,"
    "source\nv,0,gpu,1,1,,,,1,1,x\n";
static const char variants_text[] =
    "variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,"
    "sparsity,source\nv,0,0.5,top1,d,1,1,1,0,x\n";

static struct cvg_box *read_box(void)
{
    const struct cvg_config_file files[] = {
        {"box.yaml", box_text, sizeof box_text - 1},
        {"p.csv", profile_text, sizeof profile_text - 1},
        {"v.csv", variants_text, sizeof variants_text - 1},
    };
    struct cvg_box *box = NULL;
    struct cvg_error err;
    if (cvg_config_read_box(files, 3, 0, NULL, &box, &err) != CVG_OK) {
        abort();
    }
    return box;
}

static void check_stream(const struct cvg_stream *stream, size_t n_apps)
{
    assert(stream->app < n_apps);
    for (size_t i = 0; i < stream->n_rows; i++) {
        assert(i == 0 || stream->rows[i].at >= stream->rows[i - 1].at);
        assert(stream->rows[i].deadline >= 0 && stream->rows[i].accuracy <= 1);
    }
    switch (stream->process) {
    case CVG_TRACE:
        assert(stream->n_rows > 0);
        break;
    case CVG_MMPP:
        assert(stream->n_states >= 1 && stream->n_states <= CVG_MAX_STATES);
        assert(stream->stay[stream->n_states - 1] > 0);
        break;
    default:
        assert(isfinite(stream->rate_rps) && stream->rate_rps > 0);
        break;
    }
}

/* The first arrivals can be drawn, and time does not run backwards. */
static void draw(const struct cvg_stream *stream)
{
    struct cvg_arrival_source source;
    cvg_arrivals_init(&source, stream, 1, 1);
    cvg_span last = 0;
    for (int i = 0; i < 20 && source.next != CVG_NEVER; i++) {
        assert(source.next >= last);
        last = source.next;
        cvg_arrivals_advance(&source);
    }
}

static void check_workload(const struct cvg_workload *w, size_t n_apps)
{
    assert(w->duration > 0 && w->warmup >= 0 && w->warmup < w->duration);
    assert(w->n_streams >= 1);
    for (size_t i = 0; i < w->n_streams; i++) {
        assert(i == 0 || w->streams[i].app > w->streams[i - 1].app);
        check_stream(&w->streams[i], n_apps);
        draw(&w->streams[i]);
    }
    for (size_t i = 1; i < w->n_events; i++) {
        assert(w->events[i].at >= w->events[i - 1].at);
    }
}

static void read_one(const struct cvg_config_file *files, size_t n,
                     const struct cvg_box *box)
{
    struct cvg_workload *workload = NULL;
    struct cvg_error err = {.text = ""};
    if (cvg_config_read_workload(files, n, box, &workload, &err) == CVG_OK) {
        check_workload(workload, box != NULL ? box->n_apps : CVG_ANY);
    } else {
        assert(workload == NULL && err.text[0] != '\0');
        assert(strchr(err.text, '\n') == NULL);
    }
    cvg_workload_destroy(workload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size > 0 ? (const char *)data : "";
    const char *nul = memchr(text, '\0', size);
    size_t first = nul != NULL ? (size_t)(nul - text) : size;
    bool trace = first >= 10 && memcmp(text, "arrival_ms", 10) == 0;
    struct cvg_config_file files[] = {
        {trace ? "x.csv" : "x.yaml", text, first},
        {"t.csv", nul != NULL ? nul + 1 : "",
         nul != NULL ? size - first - 1 : 0},
    };
    struct cvg_box *box = read_box();
    read_one(files, 2, box);
    read_one(files, 2, NULL);
    cvg_box_destroy(box);
    return 0;
}
