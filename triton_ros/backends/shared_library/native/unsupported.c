/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the public API has and this host does not offer.  Every symbol exists, so that any library
 * can be loaded; each answers "unsupported" with its name.
 */
#include "host.h"

#define NOT_OFFERED(name)                                                         \
  TRITONSERVER_Error *name(void);                                                 \
  TRITONSERVER_Error *name(void)                                                  \
  {                                                                               \
    return tr_error(TRITONSERVER_ERROR_UNSUPPORTED, #name " is not offered here"); \
  }

NOT_OFFERED(TRITONSERVER_InferenceRequestAddRawInput)
NOT_OFFERED(TRITONSERVER_InferenceRequestIsCancelled)
NOT_OFFERED(TRITONSERVER_InferenceRequestRemoveRequestedOutput)
NOT_OFFERED(TRITONSERVER_InferenceResponseOutputClassificationLabel)
NOT_OFFERED(TRITONSERVER_InferenceTraceContext)
NOT_OFFERED(TRITONSERVER_InferenceTraceDelete)
NOT_OFFERED(TRITONSERVER_InferenceTraceId)
NOT_OFFERED(TRITONSERVER_InferenceTraceModelName)
NOT_OFFERED(TRITONSERVER_InferenceTraceModelVersion)
NOT_OFFERED(TRITONSERVER_InferenceTraceNew)
NOT_OFFERED(TRITONSERVER_InferenceTraceParentId)
NOT_OFFERED(TRITONSERVER_InferenceTraceReportActivity)
NOT_OFFERED(TRITONSERVER_InferenceTraceRequestId)
NOT_OFFERED(TRITONSERVER_InferenceTraceSetContext)
NOT_OFFERED(TRITONSERVER_InferenceTraceSpawnChildTrace)
NOT_OFFERED(TRITONSERVER_InferenceTraceTensorNew)
NOT_OFFERED(TRITONSERVER_MetricsDelete)
NOT_OFFERED(TRITONSERVER_MetricsFormatted)
NOT_OFFERED(TRITONSERVER_ServerDelete)
NOT_OFFERED(TRITONSERVER_ServerLoadModelWithParameters)
NOT_OFFERED(TRITONSERVER_ServerMetadata)
NOT_OFFERED(TRITONSERVER_ServerMetrics)
NOT_OFFERED(TRITONSERVER_ServerModelIndex)
NOT_OFFERED(TRITONSERVER_ServerModelMetadata)
NOT_OFFERED(TRITONSERVER_ServerModelStatistics)
NOT_OFFERED(TRITONSERVER_ServerNew)
NOT_OFFERED(TRITONSERVER_ServerOptionsAddRateLimiterResource)
NOT_OFFERED(TRITONSERVER_ServerOptionsDelete)
NOT_OFFERED(TRITONSERVER_ServerOptionsNew)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetBackendConfig)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetBackendDirectory)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetBufferManagerThreadCount)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetCacheConfig)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetCacheDirectory)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetCpuMetrics)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetCudaMemoryPoolByteSize)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetCudaVirtualAddressSize)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetEnablePeerAccess)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetExitOnError)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetExitTimeout)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetGpuMetrics)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetHostPolicy)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetLogError)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetLogFile)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetLogFormat)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetLogInfo)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetLogVerbose)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetLogWarn)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetMetrics)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetMetricsConfig)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetMetricsInterval)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetMinSupportedComputeCapability)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelConfigName)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelControlMode)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelLoadRetryCount)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelLoadThreadCount)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelNamespacing)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetModelRepositoryPath)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetRateLimiterMode)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetRepoAgentDirectory)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetResponseCacheByteSize)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetServerId)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetStartupModel)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetStrictModelConfig)
NOT_OFFERED(TRITONSERVER_ServerOptionsSetStrictReadiness)
NOT_OFFERED(TRITONSERVER_ServerPollModelRepository)
NOT_OFFERED(TRITONSERVER_ServerRegisterModelRepository)
NOT_OFFERED(TRITONSERVER_ServerSetExitTimeout)
NOT_OFFERED(TRITONSERVER_ServerStop)
NOT_OFFERED(TRITONSERVER_ServerUnloadModelAndDependents)
NOT_OFFERED(TRITONSERVER_ServerUnregisterModelRepository)

/* Words of traces, which no request has here. */
const char *TRITONSERVER_InferenceTraceLevelString(int level);
const char *TRITONSERVER_InferenceTraceLevelString(int level)
{
  return level == 0 ? "DISABLED" : "<unknown>";
}

const char *TRITONSERVER_InferenceTraceActivityString(int activity);
const char *TRITONSERVER_InferenceTraceActivityString(int activity)
{
  (void)activity;
  return "<unknown>";
}
