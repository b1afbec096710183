/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The host's own objects, and the flat "tr_" functions through which Python makes and reads them.
 *
 * A request is one object with the answers to it, counted by who holds it: Python, the backend
 * until it releases it, each response factory and each response that was not sent.  When nobody
 * who could respond is left and no final response came, it counts as abandoned.
 *
 * The structs that Python reads (tr_output, tr_value, the head of a response) have the same fields
 * in ctypes, in host.py.
 */
#ifndef TRITON_ROS_HOST_H
#define TRITON_ROS_HOST_H

#include <pthread.h>

#include "triton/core/tritonbackend.h"

/* Bits of a request's status. */
enum { TR_FINAL = 1, TR_RELEASED = 2, TR_RESCHEDULED = 4, TR_ABANDONED = 8 };

typedef TRITONSERVER_Error *(*tr_backend_fn)(TRITONBACKEND_Backend *);
typedef TRITONSERVER_Error *(*tr_model_fn)(TRITONBACKEND_Model *);
typedef TRITONSERVER_Error *(*tr_instance_fn)(TRITONBACKEND_ModelInstance *);
typedef TRITONSERVER_Error *(*tr_execute_fn)(
    TRITONBACKEND_ModelInstance *, TRITONBACKEND_Request **, const uint32_t);
typedef TRITONSERVER_Error *(*tr_attribute_fn)(
    TRITONBACKEND_Backend *, TRITONBACKEND_BackendAttribute *);

/* What Python does for the host; each may be called on any thread. */
typedef struct tr_callbacks {
  void (*log)(int32_t level, const char *file, int32_t line, const char *message);
  void (*notify)(uint64_t token);      /* a decoupled request has news */
  int32_t (*cancelled)(uint64_t token);
  /* What a backend asks of the server (called.h). */
  TRITONSERVER_Error *(*infer)(TRITONSERVER_InferenceRequest *request);
  TRITONSERVER_Error *(*control)(
      TRITONSERVER_Server *server, int32_t action, const char *name, int64_t version,
      int32_t *answer);
  TRITONSERVER_Error *(*config)(
      TRITONSERVER_Server *server, const char *name, int64_t version,
      TRITONSERVER_Message **config);
  void (*cancel)(uint64_t token);
} tr_callbacks;

typedef struct tr_value { /* a parameter */
  struct tr_value *next;
  char *name;
  char *text; /* strings and bytes */
  int64_t integer;
  double real;
  uint64_t byte_size;
  int32_t type;
  uint8_t boolean;
} tr_value;

typedef struct TRITONBACKEND_Output tr_output;
struct TRITONBACKEND_Output { /* a tensor of a response */
  tr_output *next;
  char *name;
  int64_t *shape;
  void *data;
  uint64_t byte_size;
  uint32_t rank;
  int32_t datatype;
  TRITONSERVER_BufferAttributes *attributes;
};

struct TRITONBACKEND_State {
  tr_output *output;
  TRITONBACKEND_Request *request;
  TRITONBACKEND_State *next;
  bool updated;
};

struct TRITONBACKEND_Response {
  tr_output *outputs;
  tr_value *parameters;
  TRITONSERVER_Error *error;
  TRITONBACKEND_Response *next;
  TRITONBACKEND_Request *request;
};

struct TRITONBACKEND_ResponseFactory {
  TRITONBACKEND_Request *request;
};

struct TRITONBACKEND_Input {
  TRITONBACKEND_Input *next;
  char *name;
  int64_t *shape;
  const void *data; /* Python's, until the request is released */
  uint64_t byte_size;
  uint32_t rank;
  int32_t datatype;
  TRITONSERVER_BufferAttributes *attributes;
};

typedef struct tr_name {
  struct tr_name *next;
  char *text;
  int64_t number;
} tr_name;

struct TRITONBACKEND_Request {
  pthread_mutex_t lock;
  TRITONBACKEND_Model *model;
  TRITONBACKEND_ModelInstance *waiting; /* who waits for its end; NULL if it is decoupled */
  uint64_t token;
  bool decoupled;
  uint32_t references, responders, status, flags;
  char *id, *correlation_text; /* no text: the number counts */
  uint64_t correlation, timeout_us;
  TRITONBACKEND_Input *inputs;
  tr_name *outputs;
  tr_value *parameters;
  TRITONBACKEND_State *states;
  TRITONBACKEND_Response *first, *last;
  TRITONBACKEND_Response *taken; /* Python reads these */
};

struct TRITONSERVER_Error {
  TRITONSERVER_Error_Code code;
  char *message;
};

struct TRITONSERVER_Message {
  char *text;
  size_t byte_size;
};

struct TRITONSERVER_BufferAttributes {
  TRITONSERVER_MemoryType memory_type;
  int64_t memory_type_id;
  void *cuda_ipc_handle;
  size_t byte_size;
};

struct TRITONSERVER_Parameter {
  tr_value value;
};

struct TRITONBACKEND_MemoryManager {
  int unused;
};

struct TRITONBACKEND_BackendAttribute {
  tr_name *groups; /* "kind count device device..." */
  bool parallel;
};

struct TRITONBACKEND_Backend {
  void *library, *state;
  char *name, *directory;
  TRITONSERVER_Message *config;
  TRITONBACKEND_ExecutionPolicy policy;
  TRITONBACKEND_MemoryManager memory;
  TRITONBACKEND_BackendAttribute attributes;
  tr_backend_fn initialize, finalize;
  tr_model_fn model_initialize, model_finalize;
  tr_instance_fn instance_initialize, instance_finalize, instance_ready;
  tr_execute_fn execute;
};

struct TRITONBACKEND_Model {
  TRITONBACKEND_Backend *backend;
  void *state;
  char *name, *repository, *config;
  tr_name *memory; /* "CPU 0" and its bytes */
  tr_name *outputs; /* of a request that names none */
  uint64_t version;
  bool auto_complete, initializing, config_set;
};

struct TRITONBACKEND_ModelInstance {
  TRITONBACKEND_Model *model;
  void *state;
  char *name;
  TRITONSERVER_Message *host_policy;
  tr_name *memory;
  int32_t kind, device;
  bool passive;
  tr_name *profiles, *secondary_devices;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  uint32_t running;
  uint64_t succeeded, failed, batches, input_ns, infer_ns, output_ns;
};

/* Living objects: what a leak shows in. */
typedef struct tr_counters {
  int64_t backends, models, instances, requests, responses, factories, called, answers;
} tr_counters;

extern tr_counters tr_living;
extern tr_callbacks tr_python;

void tr_count(int64_t *counter, int64_t by);
char *tr_copy(const char *text); /* NULL for NULL */
int64_t *tr_copy_shape(const int64_t *shape, uint32_t rank);
void *tr_allocate(uint64_t byte_size); /* aligned for any vector unit; never NULL but without memory */
TRITONSERVER_Error *tr_error(TRITONSERVER_Error_Code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
TRITONSERVER_Error *tr_message(TRITONSERVER_Message **message, const char *text);
TRITONSERVER_Error *tr_cpu_attributes(TRITONSERVER_BufferAttributes **cached, uint64_t byte_size);
TRITONSERVER_Error *tr_report_memory(
    tr_name **memory, TRITONSERVER_BufferAttributes **usage, uint32_t usage_size);
tr_value *tr_value_new(const char *name, int32_t type, const void *value, uint64_t byte_size);
const void *tr_value_pointer(const tr_value *value);
void tr_values_free(tr_value *values);
void tr_names_free(tr_name *names);
tr_name *tr_name_at(tr_name *names, uint32_t index);
uint32_t tr_names_count(const tr_name *names);
void tr_name_append(tr_name **names, const char *text, int64_t number);
tr_output *tr_output_new(
    const char *name, TRITONSERVER_DataType datatype, const int64_t *shape, uint32_t rank);
void tr_outputs_free(tr_output *outputs);
void tr_request_keep(TRITONBACKEND_Request *request);
void tr_request_hold(TRITONBACKEND_Request *request);
void tr_request_drop(TRITONBACKEND_Request *request);
void tr_request_changed(TRITONBACKEND_Request *request); /* with the lock; unlocks and tells */

/* --- for Python -------------------------------------------------------------------------------- */

void tr_set_callbacks(const tr_callbacks *callbacks);
void tr_set_log_levels(uint32_t levels); /* a bit for each level */
void tr_free(void *memory);

TRITONSERVER_Error *tr_backend_open(
    TRITONBACKEND_Backend **backend, const char *name, const char *file, const char *directory,
    const char *config);
TRITONSERVER_Error *tr_backend_finalize(TRITONBACKEND_Backend *backend);
int32_t tr_backend_device_blocking(const TRITONBACKEND_Backend *backend);
const char *tr_backend_preferred_group(TRITONBACKEND_Backend *backend, uint32_t index);

TRITONSERVER_Error *tr_model_open(
    TRITONBACKEND_Model **model, TRITONBACKEND_Backend *backend, const char *name,
    const char *repository, uint64_t version, const char *config, int32_t auto_complete);
const char *tr_model_set_config(const TRITONBACKEND_Model *model); /* NULL: it set none */
void tr_model_add_output(TRITONBACKEND_Model *model, const char *name);
const char *tr_model_memory(TRITONBACKEND_Model *model, uint32_t index, int64_t *byte_size);
TRITONSERVER_Error *tr_model_close(TRITONBACKEND_Model *model);

TRITONBACKEND_ModelInstance *tr_instance_new(
    TRITONBACKEND_Model *model, const char *name, int32_t kind, int32_t device, int32_t passive,
    const char *host_policy);
void tr_instance_add_profile(TRITONBACKEND_ModelInstance *instance, const char *name);
void tr_instance_add_device(TRITONBACKEND_ModelInstance *instance, const char *kind, int64_t id);
TRITONSERVER_Error *tr_instance_open(TRITONBACKEND_ModelInstance *instance); /* frees on error */
TRITONSERVER_Error *tr_instance_ready(TRITONBACKEND_ModelInstance *instance);
TRITONSERVER_Error *tr_instance_close(TRITONBACKEND_ModelInstance *instance);
void tr_instance_execute(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request **requests, uint32_t count);
void tr_instance_statistics(const TRITONBACKEND_ModelInstance *instance, uint64_t *six);

TRITONBACKEND_Request *tr_request_new(
    TRITONBACKEND_ModelInstance *instance, uint64_t token, int32_t decoupled, const char *id,
    uint32_t flags, uint64_t correlation, const char *correlation_text, uint64_t timeout_us);
void tr_request_add_input(
    TRITONBACKEND_Request *request, const char *name, int32_t datatype, const int64_t *shape,
    uint32_t rank, const void *data, uint64_t byte_size);
void tr_request_add_output(TRITONBACKEND_Request *request, const char *name);
void tr_request_add_parameter(
    TRITONBACKEND_Request *request, const char *name, int32_t type, const void *value);
/* The responses since the last time, valid until the next, and the status that goes with them. */
TRITONBACKEND_Response *tr_request_take(TRITONBACKEND_Request *request, uint32_t *status);
void tr_request_free(TRITONBACKEND_Request *request);
tr_output *tr_request_states(TRITONBACKEND_Request *request); /* a list, the caller's */
void tr_response_free(TRITONBACKEND_Response *response);

#endif
