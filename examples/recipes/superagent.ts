import type { Client } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'
import superagent, { type SuperAgentRequest } from 'superagent'

export function superagentOver(
  client: Client,
  origin = 'http://orders.shop.local',
): (method: string, path: string) => SuperAgentRequest {
  const agent = origin.startsWith('https:') ? new OnehopHttpsAgent(client) : new OnehopHttpAgent(client)
  return (method, path) =>
    superagent(method, origin + path)
      .agent(agent)
      .timeout(5_000)
}
