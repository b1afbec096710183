/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The tests' backend: what its files have in common.
 */
#ifndef TOY_H
#define TOY_H

#include "triton/core/tritonbackend.h"

#define FINAL TRITONSERVER_RESPONSE_COMPLETE_FINAL

typedef struct toy {
  char kind[32], other[64];
  double scale, offset;
  char facts[4096];
} toy;

typedef struct tensor {
  const char *name;
  TRITONSERVER_DataType type;
  const int64_t *shape;
  uint32_t rank;
  const void *data;
  uint64_t bytes;
} tensor;

TRITONSERVER_Error *failed(TRITONSERVER_Error_Code code, const char *text);
toy *toy_of(TRITONBACKEND_ModelInstance *instance);

TRITONSERVER_Error *read_input(TRITONBACKEND_Request *request, uint32_t index, tensor *found);
void *write_output(
    TRITONBACKEND_Response *response, const char *name, TRITONSERVER_DataType type,
    const int64_t *shape, uint32_t rank, uint64_t bytes);
TRITONSERVER_Error *copy(
    TRITONBACKEND_Request *request, TRITONBACKEND_Response *response, uint64_t less);
TRITONSERVER_Error *gather(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response);
TRITONSERVER_Error *watch(TRITONBACKEND_Request *request);
void affine(const toy *state, TRITONBACKEND_Request *request, TRITONBACKEND_Response *response);
void add_sub(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response);
void add_up(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response);

void model_facts(TRITONBACKEND_Model *model, toy *state);
void answer_facts(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request *request,
    TRITONBACKEND_Response *response);

TRITONSERVER_Error *call(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request *request,
    TRITONBACKEND_Response *response);

#endif
