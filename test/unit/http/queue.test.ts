import type { ClientRequest } from 'node:http'
import { expect, test } from 'vitest'
import type { AgentState } from '../../../src/http/node-agent.ts'
import { emptyQueue, leaveQueue } from '../../../src/http/queue.ts'

const NAME = '10.0.11.42:8080:'

/** An agent whose queues have requests of these names. */
function agentWith(queues: Record<string, string[]>): AgentState {
  return { requests: queues } as unknown as AgentState
}

function nameOf(request: ClientRequest): string {
  return request as unknown as string
}

test('requests that do not leave stay in their order, before those that were added meanwhile', () => {
  const agent = agentWith({ [NAME]: ['a', 'b', 'c', 'd'], other: ['e'] })
  const asked: string[] = []
  emptyQueue(agent, NAME, (request) => {
    asked.push(nameOf(request))
    if (nameOf(request) === 'b') agent.requests[NAME] = ['new' as never]
    return 'ac'.includes(nameOf(request))
  })
  expect(asked).toEqual(['a', 'b', 'c', 'd'])
  expect(agent.requests).toEqual({ [NAME]: ['b', 'd', 'new'], other: ['e'] })
})

test('an empty queue does not exist, as Node has it', () => {
  const agent = agentWith({ [NAME]: ['a', 'b'] })
  expect(leaveQueue(agent, 'a' as never)).toBe(true)
  expect(leaveQueue(agent, 'a' as never)).toBe(false)
  emptyQueue(agent, NAME, () => true)
  emptyQueue(agent, NAME, () => true)
  expect(agent.requests).toEqual({})
})
