/**
 * Agents for `node:http` and `node:https`, and so for axios, got, node-fetch and the AWS SDK.
 *
 * Each request gets a task of its own (`agents.ts`, `agent-door.ts`), on the keep-alive connections of that task.
 * `routed-request.ts` is the life of a request, on the leases of `leased-request.ts`; `addressing.ts` has its address and names.
 *
 * A connection that cannot be made (`connecting.ts`, `secure-socket.ts`, `places.ts`) goes to another task, and so do the
 * requests that wait for one there (`queue.ts`). Node's diagnostics channels report what became of a request (`outcomes.ts`).
 * Hosts that are not discovered go through Node's own agent.
 * @module onehop/http
 */
export { OnehopHttpAgent, OnehopHttpsAgent } from './agents.ts'
export type { AgentClient } from './node-agent.ts'
