import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadlineExceededError, type Client } from 'onehop'
import { answerWith } from 'onehop/testing'

/** What is tested: it gets its client, and does not make one. */
async function priceOf(client: Client, id: number): Promise<number | undefined> {
  const response = await client.fetch(`http://orders.shop.local/v1/orders/${id}`, { deadlineMs: 500 })
  if (response.status === 404) return undefined
  const { price } = (await response.json()) as { price: number }
  return price
}

test('an order has a price', async () => {
  const client = answerWith(() => Response.json({ price: 12 }))
  assert.equal(await priceOf(client, 42), 12)
  assert.equal(client.requests[0]?.url, 'http://orders.shop.local/v1/orders/42')
})

test('an order that is gone has none', async () => {
  const client = answerWith(() => new Response(null, { status: 404 }))
  assert.equal(await priceOf(client, 42), undefined)
})

test('a service that does not answer fails within the deadline', async () => {
  const client = answerWith(() => new Promise(() => undefined))
  await assert.rejects(priceOf(client, 42), ({ cause }: Error) => cause instanceof DeadlineExceededError)
})
