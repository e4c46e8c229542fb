// The seam to `gen/`: the only file that imports generated code, so that a change of generator or of package touches one
// line here. Stable packages are flat; the rest keep their package as a namespace, since names repeat between them.

export { Code as RpcCode } from "../gen/google/rpc/code_pb.ts";
export * as rpcDetails from "../gen/google/rpc/error_details_pb.ts";
export * as rpcStatus from "../gen/google/rpc/status_pb.ts";
export * as health from "../gen/grpc/health/v1/health_pb.ts";
export * as reflectionV1 from "../gen/grpc/reflection/v1/reflection_pb.ts";
export * as reflectionV1alpha from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
export * as adminBudgets from "../gen/llmgateway/admin/v1beta1/budget_service_pb.ts";
export * as adminKeys from "../gen/llmgateway/admin/v1beta1/key_service_pb.ts";
export * as adminRoutes from "../gen/llmgateway/admin/v1beta1/route_service_pb.ts";
export * from "../gen/llmgateway/usage/v1/usage_event_pb.ts";
export * from "../gen/llmgateway/usage/v1/usage_service_pb.ts";
export * from "../gen/llmgateway/v1/completion_pb.ts";
export * from "../gen/llmgateway/v1/content_pb.ts";
export * from "../gen/llmgateway/v1/error_reason_pb.ts";
export * from "../gen/llmgateway/v1/errors_pb.ts";
export * from "../gen/llmgateway/v1/explain_pb.ts";
export * from "../gen/llmgateway/v1/inference_service_pb.ts";
export * from "../gen/llmgateway/v1/model_service_pb.ts";
export * from "../gen/llmgateway/v1/routing_pb.ts";
export * from "../gen/llmgateway/v1/stream_pb.ts";
export * from "../gen/llmgateway/v1/usage_pb.ts";
