import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BackgroundHttp, type SdkRequest } from '../../../../src/discovery/cloud-map/http.ts'
import { LoopbackServer } from '../../../support/loopback-server.ts'
import { tcpSocketsTo } from '../../../support/open-sockets.ts'

/** The limit of a test in which only a timer that the test fires may end it. */
const LONG_MS = 60_000

async function served(listener: RequestListener): Promise<SdkRequest> {
  const server = await new LoopbackServer(createServer(listener)).listen('127.0.0.1')
  onTestFinished(() => server.kill())
  return {
    protocol: 'http:',
    hostname: '127.0.0.1',
    port: server.port,
    method: 'GET',
    path: '/',
    headers: {},
  }
}

function http(limitMs: number): BackgroundHttp {
  const made = new BackgroundHttp(limitMs)
  onTestFinished(() => made.destroy())
  return made
}

/** The timer of its socket fires. */
function timeOut({ port = 0 }: SdkRequest): boolean[] {
  return tcpSocketsTo(port).map((socket) => socket.emit('timeout'))
}

/** Calls in the turn of the loop in which something was sent: before it is read, as timers fire in a process that was busy. */
function beforeRead(call: () => unknown): void {
  setImmediate(call)
}

describe('the time limit of a try', () => {
  test('ends one whose server keeps silent', async () => {
    const request = await served(() => undefined)
    await expect(http(50).handle(request)).rejects.toMatchObject({
      name: 'TimeoutError',
      message: 'nothing came in 50 ms',
    })
  })

  test('ends one whose server stops within its answer, whatever a timer came to before', async () => {
    const request = await served((_, response) => {
      response.write('a part')
      beforeRead(() => timeOut(request))
    })
    const { response } = await http(LONG_MS).handle(request)
    await once(response.body, 'readable')
    expect(timeOut(request)).toEqual([true])
    await expect(text(response.body)).rejects.toThrow()
  })

  test('does not end one whose answer has arrived while this process was busy', async () => {
    let timedOut: boolean[] = []
    const request = await served((_, response) => {
      response.end('the answer')
      beforeRead(() => (timedOut = timeOut(request)))
    })
    const { response } = await http(LONG_MS).handle(request)
    expect(await text(response.body)).toBe('the answer')
    expect(timedOut).toEqual([true])
  })

  test('does not end one that has connected while this process was busy', async () => {
    const request = await served((_, response) => void response.end('the answer'))
    const { promise: turn, resolve } = Promise.withResolvers<void>()
    beforeRead(resolve)
    await turn
    const answer = http(LONG_MS).handle(request)
    // Until the connection is on its way, and listeners are there: all in this turn of the loop.
    for (let tick = 0; tick < 3; tick++) await new Promise<void>((next) => process.nextTick(next))
    expect(tcpSocketsTo(request.port ?? 0).map(({ connecting }) => connecting)).toEqual([true])
    expect(timeOut(request)).toEqual([true])
    const { response } = await answer
    expect(await text(response.body)).toBe('the answer')
  })
})
