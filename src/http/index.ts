/**
 * Agents for `node:http` and `node:https`, and so for axios, got, node-fetch and the AWS SDK.
 *
 * Each request gets a task of its own (`agents.ts`, `agent-door.ts`), on the keep-alive connections of that task. A connection
 * that cannot be made goes to another task (`routed-request.ts`, `connecting.ts`). Node's diagnostics channels report what
 * became of a request (`outcomes.ts`). Hosts that are not discovered go through Node's own agent.
 * @module onehop/http
 */
export { OnehopHttpAgent, OnehopHttpsAgent } from './agents.ts'
export type { AgentClient } from './node-agent.ts'
