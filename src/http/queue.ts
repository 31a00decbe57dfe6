/** The queues of Node's agents: requests that wait for a connection that others use or make (`maxSockets`). */
import type { ClientRequest } from 'node:http'
import type { AgentState } from './node-agent.ts'

/** @returns whether the request was in a queue */
export function leaveQueue({ requests }: AgentState, request: ClientRequest): boolean {
  for (const [name, queue = []] of Object.entries(requests)) {
    const index = queue.indexOf(request)
    if (index < 0) continue
    queue.splice(index, 1)
    if (queue.length === 0) delete requests[name]
    return true
  }
  return false
}

/**
 * Empties the queue of a pool of connections. Those that `leaves` is false for stay, in their order.
 * @param leaves may put the request into another queue
 */
export function emptyQueue(
  { requests }: AgentState,
  name: string,
  leaves: (request: ClientRequest) => boolean,
): void {
  const queue = requests[name]
  if (queue === undefined) return
  delete requests[name]
  const staying = queue.filter((request) => !leaves(request))
  // A balancer or a rule of the user's may have made a request meanwhile.
  const all = [...staying, ...(requests[name] ?? [])]
  if (all.length > 0) requests[name] = all
}
