/**
 * Connect and gRPC by `@connectrpc/connect`, over a client.
 *
 * Connect makes the messages and the protocol, and leaves HTTP to a function: `universalClient` is that function. It reads
 * what is there of a body (`request-body.ts`), sends the call over the dispatcher, and turns failures into errors of Connect
 * (`call-error.ts`). What only Connect knows of a call comes from an interceptor (`call-kinds.ts`); `transportOptions` has
 * both. `grpcClassify` makes `grpc-status` count for health and retries.
 * @module onehop/connect
 */
export { callKinds } from './call-kinds.ts'
export { grpcClassify } from './grpc-classify.ts'
export type {
  InterceptedCall,
  UniversalClient,
  UniversalRequest,
  UniversalResponse,
} from './protocol-types.ts'
export { transportOptions, type TransportOptions } from './transport-options.ts'
export { universalClient } from './universal-client.ts'
