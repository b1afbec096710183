/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Non-maximum suppression: the boxes that are left, the best first.
 *
 * Inputs   boxes  FP32 [N,4] or [B,N,4], x0 y0 x1 y1
 *          scores FP32 [N,C] or [B,N,C]; a box is suppressed only by one of its own class
 * Outputs  indices INT32 [max] or [B,max]: which box; -1 where there is none
 *          classes INT32, likewise; kept FP32 [max,4] or [B,max,4]; confidences FP32, likewise
 *          count   INT32 [1] or [B,1]
 *
 * Parameters of the configuration: "iou" (default 0.5; above it a box overlaps too much), "score"
 * (default 0.25; below it a box is none), "max" (default 100).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "triton/core/tritonbackend.h"

typedef struct settings {
  double iou, score, max;
} settings;

typedef struct candidate {
  float score;
  int32_t box, class;
} candidate;

typedef struct tensor {
  const int64_t *shape;
  const float *data;
  uint32_t rank;
  uint64_t bytes;
} tensor;

static TRITONSERVER_Error *refuse(const char *text)
{
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, text);
}

/* --- configuration ----------------------------------------------------------------------------- */

/* {"parameters":{"iou":{"string_value":"0.5"}}}; what is not there keeps its default. */
static TRITONSERVER_Error *find_number(
    const char *json, const char *name, double least, double most, double *value)
{
  char key[64], text[160], *end;
  const char *at = strstr(json, "\"parameters\":");
  snprintf(key, sizeof(key), "\"%s\":{\"string_value\":\"", name);
  at = at == NULL ? NULL : strstr(at, key);
  if (at == NULL) {
    return NULL;
  }
  at += strlen(key);
  *value = strtod(at, &end);
  if (end == at || *end != '"' || !(*value >= least && *value <= most)) {
    snprintf(
        text, sizeof(text), "parameters['%s'] must be a number of %g to %g, got '%.*s'", name,
        least, most, (int)strcspn(at, "\""), at);
    return refuse(text);
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model *model)
{
  TRITONSERVER_Message *message;
  const char *json;
  size_t size;
  TRITONSERVER_Error *error = TRITONBACKEND_ModelConfig(model, 1, &message);
  if (error != NULL) {
    return error;
  }
  settings *state = calloc(1, sizeof(*state));
  state->iou = 0.5;
  state->score = 0.25;
  state->max = 100;
  TRITONSERVER_MessageSerializeToJson(message, &json, &size);
  error = find_number(json, "iou", 0, 1, &state->iou);
  error = error != NULL ? error : find_number(json, "score", 0, 1, &state->score);
  error = error != NULL ? error : find_number(json, "max", 1, 1000000, &state->max);
  TRITONSERVER_MessageDelete(message);
  if (error != NULL) {
    free(state);
    return error;
  }
  return TRITONBACKEND_ModelSetState(model, state);
}

TRITONSERVER_Error *TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model *model)
{
  void *state;
  TRITONSERVER_Error *error = TRITONBACKEND_ModelState(model, &state);
  free(state);
  return error;
}

/* --- suppression ------------------------------------------------------------------------------- */

static float overlap(const float *a, const float *b)
{
  float width = fminf(a[2], b[2]) - fmaxf(a[0], b[0]);
  float height = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
  float both = width > 0 && height > 0 ? width * height : 0;
  float all = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
  return all > 0 ? both / all : 0;
}

/* The best first; of equal ones, the first in the tensor. */
static int by_score(const void *left, const void *right)
{
  const candidate *a = left, *b = right;
  if (a->score != b->score) {
    return a->score < b->score ? 1 : -1;
  }
  if (a->box != b->box) {
    return a->box < b->box ? -1 : 1;
  }
  return a->class - b->class;
}

/* Keeps the best of `count` candidates, in front; how many. */
static int64_t suppress(const settings *s, const float *boxes, candidate *found, int64_t count)
{
  int64_t kept = 0;
  qsort(found, (size_t)count, sizeof(*found), by_score);
  for (int64_t i = 0; i < count && kept < (int64_t)s->max; i++) {
    int64_t k = 0;
    while (k < kept && (found[k].class != found[i].class ||
                        overlap(boxes + 4 * found[k].box, boxes + 4 * found[i].box) <= s->iou)) {
      k++;
    }
    if (k == kept) {
      found[kept++] = found[i];
    }
  }
  return kept;
}

static int64_t candidates(
    const settings *s, const float *scores, int64_t boxes, int64_t classes, candidate *found)
{
  int64_t count = 0;
  for (int64_t i = 0; i < boxes * classes; i++) {
    if (scores[i] >= s->score) {
      found[count++] = (candidate){scores[i], (int32_t)(i / classes), (int32_t)(i % classes)};
    }
  }
  return count;
}

/* --- tensors ----------------------------------------------------------------------------------- */

static TRITONSERVER_Error *read_input(
    TRITONBACKEND_Request *request, const char *name, tensor *found)
{
  TRITONBACKEND_Input *input;
  TRITONSERVER_DataType type;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  const void *data;
  int64_t device = 0;
  TRITONSERVER_Error *error = TRITONBACKEND_RequestInput(request, name, &input);
  if (error != NULL) {
    return error;
  }
  error = TRITONBACKEND_InputProperties(
      input, NULL, &type, &found->shape, &found->rank, &found->bytes, NULL);
  if (error == NULL) {
    error = TRITONBACKEND_InputBuffer(input, 0, &data, &found->bytes, &memory, &device);
  }
  if (error == NULL && (type != TRITONSERVER_TYPE_FP32 || found->rank < 2 || found->rank > 3)) {
    error = refuse("boxes must be FP32 [N,4] or [B,N,4] and scores FP32 [N,C] or [B,N,C]");
  }
  found->data = data;
  return error;
}

static TRITONSERVER_Error *make_output(
    TRITONBACKEND_Response *response, const char *name, TRITONSERVER_DataType type,
    const int64_t *shape, uint32_t rank, void **buffer)
{
  TRITONBACKEND_Output *output;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  int64_t device = 0;
  uint64_t bytes = 4;
  for (uint32_t i = 0; i < rank; i++) {
    bytes *= (uint64_t)shape[i];
  }
  TRITONSERVER_Error *error =
      TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, rank);
  return error != NULL
             ? error
             : TRITONBACKEND_OutputBuffer(output, buffer, bytes, &memory, &device);
}

typedef struct answers {
  int32_t *indices, *classes, *count;
  float *kept, *confidences;
} answers;

static TRITONSERVER_Error *make_outputs(
    TRITONBACKEND_Response *response, const settings *s, uint32_t batched, int64_t batch,
    answers *out)
{
  const int64_t max = (int64_t)s->max, rows[] = {batch, max, 4}, one[] = {batch, 1};
  const struct {
    const char *name;
    TRITONSERVER_DataType type;
    const int64_t *shape;
    uint32_t rank;
    void **buffer;
  } all[] = {
      {"indices", TRITONSERVER_TYPE_INT32, rows, 2, (void **)&out->indices},
      {"classes", TRITONSERVER_TYPE_INT32, rows, 2, (void **)&out->classes},
      {"kept", TRITONSERVER_TYPE_FP32, rows, 3, (void **)&out->kept},
      {"confidences", TRITONSERVER_TYPE_FP32, rows, 2, (void **)&out->confidences},
      {"count", TRITONSERVER_TYPE_INT32, one, 2, (void **)&out->count},
  };
  TRITONSERVER_Error *error = NULL;
  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && error == NULL; i++) {
    uint32_t skipped = batched ? 0 : 1;
    error = make_output(
        response, all[i].name, all[i].type, all[i].shape + skipped, all[i].rank - skipped,
        all[i].buffer);
  }
  return error;
}

static void write_answers(
    const settings *s, const float *boxes, const candidate *found, int64_t kept, int64_t row,
    answers *out)
{
  const int64_t max = (int64_t)s->max;
  out->count[row] = (int32_t)kept;
  for (int64_t i = 0; i < max; i++) {
    int64_t to = row * max + i;
    bool any = i < kept;
    out->indices[to] = any ? found[i].box : -1;
    out->classes[to] = any ? found[i].class : -1;
    out->confidences[to] = any ? found[i].score : 0;
    for (int64_t side = 0; side < 4; side++) {
      out->kept[4 * to + side] = any ? boxes[4 * found[i].box + side] : 0;
    }
  }
}

static TRITONSERVER_Error *answer(
    const settings *s, TRITONBACKEND_Request *request, TRITONBACKEND_Response *response)
{
  tensor boxes, scores;
  answers out;
  TRITONSERVER_Error *error = read_input(request, "boxes", &boxes);
  error = error != NULL ? error : read_input(request, "scores", &scores);
  if (error != NULL) {
    return error;
  }
  const uint32_t batched = boxes.rank == 3;
  const int64_t batch = batched ? boxes.shape[0] : 1;
  const int64_t count = boxes.shape[boxes.rank - 2], classes = scores.shape[scores.rank - 1];
  if (scores.rank != boxes.rank || scores.shape[scores.rank - 2] != count ||
      boxes.shape[boxes.rank - 1] != 4 || (batched && scores.shape[0] != batch)) {
    return refuse("there must be 4 numbers for each box and as many scores as boxes");
  }
  error = make_outputs(response, s, batched, batch, &out);
  candidate *found = error != NULL ? NULL : malloc(sizeof(*found) * (size_t)(count * classes + 1));
  for (int64_t row = 0; row < batch && found != NULL; row++) {
    const float *own = boxes.data + row * count * 4;
    int64_t left = candidates(s, scores.data + row * count * classes, count, classes, found);
    write_answers(s, own, found, suppress(s, own, found, left), row, &out);
  }
  free(found);
  return error;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceExecute(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request **requests,
    const uint32_t request_count)
{
  TRITONBACKEND_Model *model;
  void *state;
  TRITONSERVER_Error *error = TRITONBACKEND_ModelInstanceModel(instance, &model);
  if (error == NULL) {
    error = TRITONBACKEND_ModelState(model, &state);
  }
  if (error != NULL) { /* the server answers the requests with it */
    return error;
  }
  for (uint32_t i = 0; i < request_count; i++) {
    TRITONBACKEND_Response *response;
    error = TRITONBACKEND_ResponseNew(&response, requests[i]);
    if (error == NULL) {
      error = answer(state, requests[i], response);
      TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(
          response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
    }
    TRITONSERVER_ErrorDelete(error);
    TRITONSERVER_ErrorDelete(
        TRITONBACKEND_RequestRelease(requests[i], TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  return NULL;
}
