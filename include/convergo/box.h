/* A box: its devices, families of variants, and applications.
 *
 * Plain data. It is read by config/ from box.yaml and the CSV files (or filled
 * in by a program) and never changed after.
 * Everything is named by its index in the box's arrays: variant 3, device 0.
 * All strings and arrays are owned by the box: cvg_box_destroy(). */
#ifndef CONVERGO_BOX_H
#define CONVERGO_BOX_H

#include <convergo/profile.h>
#include <convergo/slo.h>
#include <convergo/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVG_ANY UINT32_MAX /* no particular variant, device or app */
#define CVG_MAX_APPS 64U
#define CVG_MAX_VARIANTS 1024U
#define CVG_MAX_EXITS 16U
#define CVG_MAX_DEVICES 256U
#define CVG_MAX_UNITS 1024U /* over all devices */
#define CVG_MAX_IN_FLIGHT 16U
#define CVG_MAX_BATCH 256U
#define CVG_MAX_SOURCES 64U /* of the figures of one device */

enum cvg_device_kind {
    CVG_CPU,
    CVG_GPU,
    CVG_DLA,
    CVG_TPU,
    CVG_NPU,
    CVG_FPGA,
    CVG_DEVICE_KINDS
};
enum cvg_discipline { CVG_FCFS, CVG_PROCESSOR_SHARING };

/* "cpu", "gpu", ...; "fcfs", "processor-sharing" */
const char *cvg_device_kind_name(enum cvg_device_kind kind);

/* Providers are named with or without "ExecutionProvider" at the end, in any
 * case: the length without it, and whether two names mean the same. */
size_t cvg_provider_length(const char *name);
bool cvg_provider_is(const char *a, const char *b);
const char *cvg_discipline_name(enum cvg_discipline discipline);

struct cvg_conditions; /* see convergo/condition.h */

struct cvg_variant {
    char *name;
    uint32_t family;  /* CVG_ANY only while the box is being filled */
    uint32_t n_exits; /* 1 for a plain model; exits = stages */
    double accuracy[CVG_MAX_EXITS]; /* validated accuracy of each exit, 0..1 */
    double flop[CVG_MAX_EXITS]; /* of each stage alone, an item; NAN: unknown */
    uint64_t weights_bytes;
    uint64_t memory_bytes; /* in a device's memory, weights included */
    double sparsity;       /* 0..1, share of weights that are zero */
};

struct cvg_option { /* a backend's own setting, passed through as text */
    char *key;
    char *value;
};

struct cvg_device {
    char *name;
    enum cvg_device_kind kind;
    char *backend;  /* "onnxruntime", "emulated", "accelerator" */
    char *profile;  /* its name in profile.csv; = name by default */
    char *provider; /* of the backend; "CPU" by default */
    struct cvg_option *options;
    size_t n_options;
    uint32_t threads; /* per unit, >= 1 */
    enum cvg_discipline discipline;
    uint32_t units;        /* >= 1 */
    uint32_t in_flight;    /* batches that a unit may hold, >= 1 */
    uint64_t memory_bytes; /* UINT64_MAX: unlimited */
    uint32_t resident;     /* variants held at once; UINT32_MAX: unlimited */
    bool has_cache;        /* each unit has an on-chip cache of weights */
    uint64_t cache_bytes;
    bool has_switch; /* changing the variant costs time */
    cvg_span switch_fixed;
    double switch_ns_per_mib; /* of min(weights, cache) */
    double idle_w, busy_w;
    bool emulated; /* its times come from a profile of another device */
    /* Where its figures come from, as the profile says: each text once, no more
     * than CVG_MAX_SOURCES of them. */
    char **sources;
    size_t n_sources;
};

struct cvg_contention { /* all of them busy: each is slower by this factor */
    uint32_t *devices;
    size_t n_devices;
    double slowdown; /* >= 1 */
};

struct cvg_family {
    char *name;
    char *metric;       /* "top1", ... */
    uint32_t *variants; /* in the order of the file */
    size_t n_variants;
    char *dataset; /* path of a labelled set, or NULL */
};

struct cvg_app {
    char *name;
    uint32_t family;
    double weight; /* > 0 */
    struct cvg_slo slo;
    enum cvg_accuracy_over accuracy_over;
    enum cvg_slo_kind relax[CVG_SLO_KINDS]; /* what gives way first */
    size_t n_relax;
    enum cvg_objective objective;
    uint32_t queue_limit; /* waiting requests; more are rejected */
    /* Where its requests are answered, exit by exit; NULL: where the exits part
     * of the policy says. */
    const struct cvg_conditions *conditions;
    bool built_in; /* the best-effort app of a family that has no app */
};

/* A place in a file, counted from 1; line 0: nowhere. */
struct cvg_place {
    uint32_t line, column;
};

/* How policies are named: a name, or parts; NULL = not given. */
struct cvg_policy_spec {
    char *name;
    char *allocation, *order, *batching, *exits;
    /* Of plans; 0: as the allocation part has it (struct cvg_pace). */
    cvg_span period, smoothing;
    double burst;
    double headroom;   /* demand is taken so many times as large */
    double margin;     /* and larger by so many standard deviations */
    bool has_margin;   /* else as the allocation part has it */
    double budget_w;   /* of energy, for exits that keep to one; 0: not given */
    double confidence; /* from here on exits take an answer as sure */
    bool has_confidence; /* else 0.9 */
    /* Where each is written, for messages; NULL: nowhere. */
    const char *file; /* borrowed */
    struct cvg_place name_at, allocation_at, order_at, batching_at, exits_at;
};

struct cvg_server_settings { /* "HOST:PORT"; NULL = default or off */
    char *http;              /* 127.0.0.1:8000 */
    char *grpc;              /* 127.0.0.1:8001 */
    char *metrics;           /* 127.0.0.1:8002 */
    char *socket;            /* a path; off by default */
};

struct cvg_box {
    char *path;   /* of box.yaml; NULL if made by a program */
    char *models; /* model repository, NULL if the box names none */
    struct cvg_place models_at;
    struct cvg_policy_spec policy;
    struct cvg_server_settings server;
    struct cvg_device *devices;
    size_t n_devices;
    struct cvg_variant *variants;
    size_t n_variants;
    struct cvg_family *families;
    size_t n_families;
    struct cvg_app *apps; /* named apps first, then built-in ones */
    size_t n_apps;
    struct cvg_contention *contention;
    size_t n_contention;
    struct cvg_profile *profile; /* [variant][exit][device] */
};

/* An empty box on the heap, owned by the caller. NULL: no memory. */
struct cvg_box *cvg_box_create(void);
void cvg_box_destroy(struct cvg_box *box); /* NULL is allowed */

/* Index by name, CVG_ANY if there is none. */
uint32_t cvg_box_find_device(const struct cvg_box *box, const char *name);
uint32_t cvg_box_find_variant(const struct cvg_box *box, const char *name);
uint32_t cvg_box_find_family(const struct cvg_box *box, const char *name);
uint32_t cvg_box_find_app(const struct cvg_box *box, const char *name);

/* Adds, for every family without exactly one app of its own, a built-in
 * best-effort app (named "best-effort/<family>", no SLO, weight 0.001) that
 * requests without `slo_app` belong to. */
enum cvg_status cvg_box_add_built_in_apps(struct cvg_box *box,
                                          struct cvg_error *err);

/* Total number of units; unit u of the box is the (u - first)-th unit of its
 * device, devices in order. */
uint32_t cvg_box_units(const struct cvg_box *box);

/* Was the variant ever measured on the device, and does its memory hold it? */
bool cvg_box_can_run(const struct cvg_box *box, uint32_t device,
                     uint32_t variant);

/* Has the device memory for all that it can run; has every one? */
bool cvg_box_device_holds_all(const struct cvg_box *box, uint32_t device);
bool cvg_box_holds_all(const struct cvg_box *box);

/* Has one of its variants several exits? */
bool cvg_box_has_exits(const struct cvg_box *box);

/* Does the app let its mean accuracy give way; does every app that asks for
 * something? */
bool cvg_app_scales(const struct cvg_app *app);
bool cvg_box_scales(const struct cvg_box *box);

/* Time to switch a unit of `device` to `variant`, not in its cache: the
 * profile's switch_ms, else fixed + per_mib x min(weights, cache); 0 for a
 * device without switch cost. */
cvg_span cvg_box_switch_time(const struct cvg_box *box, uint32_t device,
                             uint32_t variant);

/* Bytes of a unit's cache that `variant` takes: min(weights, cache). */
uint64_t cvg_box_cache_need(const struct cvg_box *box, uint32_t device,
                            uint32_t variant);

#endif
