/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of a backend's own: they can be set and read back by the backend.
 */
#include <stdlib.h>

#include "host.h"

struct TRITONSERVER_MetricFamily {
  TRITONSERVER_MetricKind kind;
};

struct TRITONSERVER_Metric {
  TRITONSERVER_MetricKind kind;
  double value;
  pthread_mutex_t lock;
};

struct TRITONSERVER_MetricArgs {
  int unused;
};

TRITONSERVER_Error *TRITONSERVER_MetricFamilyNew(
    TRITONSERVER_MetricFamily **family, const TRITONSERVER_MetricKind kind, const char *name,
    const char *description)
{
  (void)name;
  (void)description;
  *family = calloc(1, sizeof(**family));
  (*family)->kind = kind;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricFamilyDelete(TRITONSERVER_MetricFamily *family)
{
  free(family);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_GetMetricFamilyKind(
    TRITONSERVER_MetricFamily *family, TRITONSERVER_MetricKind *kind)
{
  *kind = family->kind;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricArgsNew(TRITONSERVER_MetricArgs **args)
{
  *args = calloc(1, sizeof(**args));
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricArgsSetHistogram(
    TRITONSERVER_MetricArgs *args, const double *buckets, const uint64_t buckets_count)
{
  (void)args;
  (void)buckets;
  (void)buckets_count;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricArgsDelete(TRITONSERVER_MetricArgs *args)
{
  free(args);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricNew(
    TRITONSERVER_Metric **metric, TRITONSERVER_MetricFamily *family,
    const TRITONSERVER_Parameter **labels, const uint64_t label_count)
{
  (void)labels;
  (void)label_count;
  *metric = calloc(1, sizeof(**metric));
  (*metric)->kind = family->kind;
  pthread_mutex_init(&(*metric)->lock, NULL);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricNewWithArgs(
    TRITONSERVER_Metric **metric, TRITONSERVER_MetricFamily *family,
    const TRITONSERVER_Parameter **labels, const uint64_t label_count,
    const TRITONSERVER_MetricArgs *args)
{
  (void)args;
  return TRITONSERVER_MetricNew(metric, family, labels, label_count);
}

TRITONSERVER_Error *TRITONSERVER_MetricDelete(TRITONSERVER_Metric *metric)
{
  if (metric != NULL) {
    pthread_mutex_destroy(&metric->lock);
    free(metric);
  }
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_GetMetricKind(
    TRITONSERVER_Metric *metric, TRITONSERVER_MetricKind *kind)
{
  *kind = metric->kind;
  return NULL;
}

static TRITONSERVER_Error *change(TRITONSERVER_Metric *metric, double by, bool absolute)
{
  pthread_mutex_lock(&metric->lock);
  metric->value = absolute ? by : metric->value + by;
  pthread_mutex_unlock(&metric->lock);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricValue(TRITONSERVER_Metric *metric, double *value)
{
  if (metric->kind == TRITONSERVER_METRIC_KIND_HISTOGRAM) {
    return tr_error(TRITONSERVER_ERROR_UNSUPPORTED, "a histogram has no single value");
  }
  pthread_mutex_lock(&metric->lock);
  *value = metric->value;
  pthread_mutex_unlock(&metric->lock);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MetricIncrement(TRITONSERVER_Metric *metric, double value)
{
  if (metric->kind == TRITONSERVER_METRIC_KIND_HISTOGRAM) {
    return tr_error(TRITONSERVER_ERROR_UNSUPPORTED, "a histogram is observed, not incremented");
  }
  if (metric->kind == TRITONSERVER_METRIC_KIND_COUNTER && value < 0) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "a counter cannot be incremented by %g", value);
  }
  return change(metric, value, false);
}

TRITONSERVER_Error *TRITONSERVER_MetricSet(TRITONSERVER_Metric *metric, double value)
{
  if (metric->kind != TRITONSERVER_METRIC_KIND_GAUGE) {
    return tr_error(TRITONSERVER_ERROR_UNSUPPORTED, "only a gauge can be set");
  }
  return change(metric, value, true);
}

TRITONSERVER_Error *TRITONSERVER_MetricObserve(TRITONSERVER_Metric *metric, double value)
{
  if (metric->kind != TRITONSERVER_METRIC_KIND_HISTOGRAM) {
    return tr_error(TRITONSERVER_ERROR_UNSUPPORTED, "only a histogram can be observed");
  }
  return change(metric, value, false);
}
