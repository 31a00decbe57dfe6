import fetch, { type RequestInit, type Response } from 'node-fetch'
import type { Client } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'

export function nodeFetchOver(client: Client): (url: string, init?: RequestInit) => Promise<Response> {
  const agents = { 'http:': new OnehopHttpAgent(client), 'https:': new OnehopHttpsAgent(client) }
  const agent = ({ protocol }: URL) => agents[protocol as keyof typeof agents]
  return (url, init) => fetch(url, { agent, signal: AbortSignal.timeout(5_000), ...init })
}
