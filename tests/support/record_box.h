/* A small box as text, for records: two devices, two variants, two apps. */
#ifndef CVG_TESTS_RECORD_BOX_H
#define CVG_TESTS_RECORD_BOX_H

#include "config/config.h"
#include <string.h>

#define RECORD_BOX                                                             \
    "version: 1\n"                                                             \
    "profiles: [profile.csv]\n"                                                \
    "variants: [variants.csv]\n"                                               \
    "policy: {name: convergo}\n"                                               \
    "devices:\n"                                                               \
    "  - {name: npu, kind: npu, backend: emulated, in_flight: 2}\n"            \
    "  - {name: cpu, kind: cpu, backend: emulated, units: 2, resident: 1}\n"   \
    "families:\n"                                                              \
    "  - {name: parts, metric: top1, variants: [small, large]}\n"              \
    "apps:\n"                                                                  \
    "  - {name: belt, family: parts, queue: 50,\n"                             \
    "     slo: {deadline: 40ms, accuracy: 0.9, throughput: 100/s}}\n"          \
    "  - {name: door, family: parts, queue: 20, relax: [energy],\n"            \
    "     slo: {deadline: 20ms, energy: 9mJ}}\n"

#define RECORD_PROFILE                                                         \
    "variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,"        \
    "samples,source\n"                                                         \
    "small,0,npu,1,2,2,2.2,2.5,4,9,made up\n"                                  \
    "small,0,npu,8,6,6,6.5,7,20,9,made up\n"                                   \
    "large,0,npu,1,5,5,5.5,6,12,9,made up\n"                                   \
    "large,0,npu,8,14,14,15,16,60,9,made up\n"                                 \
    "small,0,cpu,1,9,9,10,12,7,9,made up\n"                                    \
    "large,0,cpu,1,30,30,33,38,40,9,made up\n"

#define RECORD_VARIANTS                                                        \
    "variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,"     \
    "sparsity,source\n"                                                        \
    "small,0,0.85,top1,none,9,2,3,0,made up\n"                                 \
    "large,0,0.95,top1,none,9,8,9,0,made up\n"

static const struct cvg_config_file record_box_files[3] = {
    {"box.yaml", RECORD_BOX, sizeof RECORD_BOX - 1},
    {"profile.csv", RECORD_PROFILE, sizeof RECORD_PROFILE - 1},
    {"variants.csv", RECORD_VARIANTS, sizeof RECORD_VARIANTS - 1},
};

#endif
