/** The places of connections among those of Node's agents (`maxSockets`), also of connections that are not made yet. */
import type { Socket } from 'node:net'
import { poolOf, type AgentRequestOptions, type AgentState } from './node-agent.ts'

/** Connections that have a place, and are not made yet. */
const inProgress = new WeakSet<Socket>()

/** A connection that is begun counts from now on, and `agent.destroy()` reaches it. */
export function takePlace(agent: AgentState, options: AgentRequestOptions, socket: Socket): void {
  ;(agent.sockets[poolOf(options)] ??= []).push(socket)
  agent.totalSocketCount++
  inProgress.add(socket)
}

/** It is over, or made: Node gives those that are made a place itself. */
export function freePlace(agent: AgentState, options: AgentRequestOptions, socket: Socket): void {
  inProgress.delete(socket)
  agent.totalSocketCount--
  const pool = poolOf(options)
  const sockets = agent.sockets[pool] ?? []
  const index = sockets.indexOf(socket)
  if (index >= 0) sockets.splice(index, 1)
  if (sockets.length === 0) delete agent.sockets[pool]
}

/** Whether the pool has connections that are made, and in use: requests in the queue may get one of them. */
export function hasConnected({ sockets }: AgentState, options: AgentRequestOptions): boolean {
  return (sockets[poolOf(options)] ?? []).some((socket) => !inProgress.has(socket))
}
