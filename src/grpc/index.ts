/**
 * gRPC by `@grpc/grpc-js` 1.14, which is a peer dependency: targets `cloudmap:///orders.shop.local:50051`.
 *
 * - `register.ts`: `registerCloudMap(client)`, and which grpc-js it is (`version.ts`).
 * - `resolver.ts`: endpoints, by `client.watch`, and the service config (`service-config.ts`) of a target (`target.ts`).
 * - `balancer.ts`: the policy. Its picker (`call-picker.ts`) has the client's cluster pick the task of each call, among those that
 *   are connected.
 * - `connections.ts`: the connections of a channel. Connecting is an attempt on a task, with a lease (`connection.ts`), and
 *   limits: `tcp-silence.ts` sees whether the address answers.
 * - `attempt.ts`: a call on a task, with its lease and its caller's async context. `unsent.ts` ends the leases of calls that are
 *   never sent, `core/async/open-until.ts` cuts calls when the client is destroyed.
 * - `outcome.ts`: which gRPC status counts against a task.
 * - `grpc-js.ts`: what all this uses of grpc-js.
 * @module onehop/grpc
 */
export { registerCloudMap, type CloudMapOptions } from './register.ts'
export type { GrpcClient } from './resolver.ts'
export type { ServiceConfigJson } from './service-config.ts'
