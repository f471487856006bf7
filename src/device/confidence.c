/* The largest probability of an answer. */
#include "device/confidence.h"

#include <math.h>
#include <string.h>

#define MOST_SCORES 65536U /* no list of classes is longer */

struct scores {
    double most, sum;
    bool negative, finite;
};

static float score_at(const struct cvg_tensor *tensor, size_t k)
{
    float score;
    memcpy(&score, (const char *)tensor->data + k * sizeof score, sizeof score);
    return score;
}

static struct scores look_at(const struct cvg_tensor *tensor, size_t n)
{
    struct scores s = {.most = -INFINITY, .finite = true};
    for (size_t k = 0; k < n; k++) {
        double score = (double)score_at(tensor, k);
        s.most = fmax(s.most, score);
        s.sum += score;
        s.negative = s.negative || score < 0;
        s.finite = s.finite && isfinite(score);
    }
    return s;
}

double cvg_confidence(const struct cvg_tensor *scores)
{
    size_t n = scores->bytes / sizeof(float);
    if (scores->type != CVG_TYPE_FP32 || scores->data == NULL || n < 2 ||
        n > MOST_SCORES) {
        return -1;
    }
    struct scores s = look_at(scores, n);
    if (!s.finite) {
        return -1;
    }
    if (!s.negative && fabs(s.sum - 1) <= 1e-3) {
        return fmin(s.most, 1);
    }
    double sum = 0; /* of the softmax, where the largest is 1 */
    for (size_t k = 0; k < n; k++) {
        sum += exp((double)score_at(scores, k) - s.most);
    }
    return 1 / sum;
}
