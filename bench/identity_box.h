/* A box for measurements: one CPU device, one ONNX model of one Identity node
 * (x: FP32 [-1, N] -> y), written here with as much of protobuf as that takes.
 */
#ifndef CVG_BENCH_IDENTITY_BOX_H
#define CVG_BENCH_IDENTITY_BOX_H

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct proto { /* a message being written */
    unsigned char bytes[512];
    size_t n;
};

static inline void proto_varint(struct proto *p, unsigned long value)
{
    while (value > 0x7f) {
        p->bytes[p->n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    p->bytes[p->n++] = (unsigned char)value;
}

static inline void proto_int(struct proto *p, unsigned field,
                             unsigned long value)
{
    proto_varint(p, field << 3);
    proto_varint(p, value);
}

static inline void proto_bytes(struct proto *p, unsigned field,
                               const void *bytes, size_t n)
{
    proto_varint(p, field << 3 | 2);
    proto_varint(p, n);
    memcpy(p->bytes + p->n, bytes, n);
    p->n += n;
}

static inline void proto_text(struct proto *p, unsigned field, const char *text)
{
    proto_bytes(p, field, text, strlen(text));
}

static inline void proto_message(struct proto *p, unsigned field,
                                 const struct proto *message)
{
    proto_bytes(p, field, message->bytes, message->n);
}

/* ValueInfoProto: a name, FP32, [-1, n]. */
static inline struct proto proto_value_info(const char *name, unsigned long n)
{
    struct proto rows = {.n = 0}, columns = {.n = 0}, shape = {.n = 0};
    struct proto tensor = {.n = 0}, type = {.n = 0}, info = {.n = 0};
    proto_text(&rows, 2, "n");
    proto_int(&columns, 1, n);
    proto_message(&shape, 1, &rows);
    proto_message(&shape, 1, &columns);
    proto_int(&tensor, 1, 1); /* FLOAT */
    proto_message(&tensor, 2, &shape);
    proto_message(&type, 1, &tensor);
    proto_text(&info, 1, name);
    proto_message(&info, 2, &type);
    return info;
}

static inline struct proto identity_model(unsigned long n)
{
    struct proto node = {.n = 0}, graph = {.n = 0};
    struct proto opset = {.n = 0}, model = {.n = 0};
    struct proto x = proto_value_info("x", n), y = proto_value_info("y", n);
    proto_text(&node, 1, "x");
    proto_text(&node, 2, "y");
    proto_text(&node, 4, "Identity");
    proto_message(&graph, 1, &node);
    proto_text(&graph, 2, "g");
    proto_message(&graph, 11, &x);
    proto_message(&graph, 12, &y);
    proto_text(&opset, 1, "");
    proto_int(&opset, 2, 13);
    proto_int(&model, 1, 8); /* IR version */
    proto_text(&model, 2, "bench");
    proto_message(&model, 7, &graph);
    proto_message(&model, 8, &opset);
    return model;
}

static inline int write_file(const char *folder, const char *name,
                             const void *bytes, size_t n)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    if (out == NULL) {
        perror(path);
        return 0;
    }
    int ok = fwrite(bytes, 1, n, out) == n;
    return fclose(out) == 0 && ok;
}

static inline int make_folder(const char *folder, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return mkdir(path, 0700) == 0;
}

/* FOLDER/box.yaml and what it names: families `small` (16 numbers) and `large`
 * (64 KiB). */
static inline int write_identity_box(const char *folder)
{
    static const char box[] =
        "version: 1\nmodels: models\nprofiles: [profile.csv]\n"
        "variants: [variants.csv]\ndevices:\n"
        "  - {name: cpu, kind: cpu, backend: onnxruntime, in_flight: "
        "2}\nfamilies:\n"
        "  - {name: small, metric: none, variants: [identity-16]}\n"
        "  - {name: large, metric: none, variants: [identity-16384]}\n"
        "apps:\n"
        "  - {name: one, family: small}\n"
        "  - {name: two, family: large}\n";
    static const char profile[] =
        "variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,"
        "samples,source\n"
        "identity-16,0,cpu,1,0.02,0.02,0.02,0.02,0.1,1,made up\n"
        "identity-16,0,cpu,32,0.03,0.03,0.03,0.03,0.2,1,made up\n"
        "identity-16384,0,cpu,1,0.02,0.02,0.02,0.02,0.1,1,made up\n"
        "identity-16384,0,cpu,32,0.3,0.3,0.3,0.3,0.2,1,made up\n";
    static const char variants[] =
        "variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,"
        "sparsity,source\n"
        "identity-16,0,1,none,none,1,0,1,0,made up\n"
        "identity-16384,0,1,none,none,1,0,1,0,made up\n";
    struct proto small = identity_model(16), large = identity_model(16384);
    return make_folder(folder, "models") &&
           make_folder(folder, "models/identity-16") &&
           make_folder(folder, "models/identity-16/1") &&
           make_folder(folder, "models/identity-16384") &&
           make_folder(folder, "models/identity-16384/1") &&
           write_file(folder, "models/identity-16/1/model.onnx", small.bytes,
                      small.n) &&
           write_file(folder, "models/identity-16384/1/model.onnx", large.bytes,
                      large.n) &&
           write_file(folder, "profile.csv", profile, sizeof profile - 1) &&
           write_file(folder, "variants.csv", variants, sizeof variants - 1) &&
           write_file(folder, "box.yaml", box, sizeof box - 1);
}

#endif
