/** The contract of handlers: what is told, in which order, and what comes of a handler that throws, aborts or pauses. */
import type { RequestListener } from 'node:http'
import type { Dispatcher } from 'undici'
import { describe, expect } from 'vitest'
import { delivered } from '../support/delivered.ts'
import { echo } from './support/echo.ts'
import { trace, traced } from './support/trace.ts'
import { sameAsUndici, type Serving, type Way } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

const http =
  (answer: RequestListener): Serving =>
  (transport) =>
    WireServer.http(answer, transport)
const put = (way: Way, body: unknown): Dispatcher.DispatchOptions => ({
  origin: way.origin,
  path: '/',
  method: 'PUT',
  body: body as never,
})

/** Hints, an answer in two parts, trailers. */
const everything: RequestListener = (request, response) => {
  request.resume()
  request.on('end', () => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('one')
    setTimeout(() => {
      response.addTrailers({ 'x-sum': '1' })
      response.end('two')
    }, 5)
  })
}

const callbacks = [
  'onRequestStart',
  'onBodySent',
  'onRequestSent',
  'onResponseStarted',
  'onResponseStart',
  'onResponseData',
  'onResponseEnd',
] as const

/** undici 8.12 does this in the middle of writing: its error is heard by nobody, or its loop spins. A bare Agent's process ends. */
const ENDS_THE_PROCESS = 'undici itself ends the process'
const THROWN: ReadonlySet<string> = new Set(['onBodySent', 'onRequestSent', 'onResponseStarted'])
const ABORTED: ReadonlySet<string> = new Set(['onBodySent', 'onRequestSent'])

describe('in order', () => {
  for (const [kind, body] of [
    ['a string', () => 'body'],
    ['an iterable', () => ['bo', 'dy']],
    ['nothing', () => null],
  ] as const) {
    sameAsUndici(`everything that a handler is told, with ${kind} for a body`, {
      server: http(everything),
      call: (way) => trace(way.dispatcher, put(way, body())),
      sees: expect.arrayContaining([
        'onRequestStart null',
        'onRequestSent',
        expect.stringContaining('onResponseEnd'),
      ]),
    })
  }
})

describe('a handler that throws', () => {
  for (const callback of callbacks) {
    for (const [kind, body] of [
      ['a string', () => 'body'],
      ['an iterable', () => ['bo', 'dy']],
    ] as const) {
      sameAsUndici(`in ${callback}, with ${kind} for a body`, {
        server: http(everything),
        call: (way) =>
          trace(way.dispatcher, put(way, body()), (told) => {
            if (told === callback) throw new RangeError('a bug')
          }),
        sees: expect.arrayContaining(['onResponseError RangeError - a bug']),
        anyBytes: true,
        ...(THROWN.has(callback) ? { notOver: { h2: ENDS_THE_PROCESS } } : {}),
      })
    }
  }
})

describe('a handler that aborts', () => {
  for (const callback of callbacks) {
    sameAsUndici(`in ${callback}`, {
      server: http(everything),
      call: async (way) => {
        const told = await trace(way.dispatcher, put(way, 'body'), (name, controller) => {
          if (name === callback) controller?.abort(new RangeError('left'))
        })
        return told
      },
      sees:
        callback === 'onResponseEnd'
          ? expect.not.arrayContaining([expect.stringContaining('onResponseError')])
          : expect.arrayContaining(['onResponseError RangeError - left']),
      anyBytes: true,
      ...(ABORTED.has(callback) ? { notOver: { h2: ENDS_THE_PROCESS } } : {}),
    })
  }

  sameAsUndici('twice, and then again after its end, is told once', {
    server: http(everything),
    call: async (way) => {
      const call = traced((name, controller) => {
        if (name !== 'onResponseData') return
        controller?.abort(new RangeError('first'))
        controller?.abort(new RangeError('second'))
      })
      way.dispatcher.dispatch(put(way, 'body'), call.handler)
      await call.ended
      call.controller?.abort(new RangeError('third'))
      const { aborted, reason } = call.controller as Dispatcher.DispatchController
      return [call.callbacks, aborted, reason]
    },
    sees: [expect.any(Array), true, expect.objectContaining({ message: 'first' })],
    anyBytes: true,
  })

  sameAsUndici('without a reason', {
    server: http(everything),
    call: (way) =>
      trace(way.dispatcher, put(way, 'body'), (name, controller) => {
        if (name === 'onResponseStart') controller?.abort(undefined as never)
      }),
    sees: expect.arrayContaining(['onResponseError AbortError UND_ERR_ABORTED Request aborted']),
    anyBytes: true,
  })
})

const TOLD_OF_ITS_END = 'undici tells it of the end, where nothing is left of the body'

describe('a handler that pauses', () => {
  for (const callback of ['onRequestStart', 'onResponseStart', 'onResponseData'] as const) {
    sameAsUndici(`in ${callback} is told nothing of the body until it resumes`, {
      server: http(echo),
      call: async (way) => {
        let held = true
        const call = traced((name, controller) => {
          if (name === callback && held) controller?.pause()
        })
        way.dispatcher.dispatch(put(way, 'body'), call.handler)
        // The headers come all the same. It may take a handshake.
        const told = (name: string): boolean => call.callbacks.some((line) => line.startsWith(name))
        await expect.poll(() => told(callback) && told('onResponseStart ')).toBe(true)
        await delivered()
        const before = [...call.callbacks]
        const { paused } = call.controller as Dispatcher.DispatchController
        held = false
        call.controller?.resume()
        await call.ended
        return [before, paused, call.callbacks, call.controller?.paused]
      },
      ...(callback === 'onResponseData' ? { notOver: { h2: TOLD_OF_ITS_END } } : {}),
      sees: [
        expect.not.arrayContaining([expect.stringContaining('onResponseEnd')]),
        true,
        expect.arrayContaining([expect.stringContaining('onResponseEnd {}')]),
        false,
      ],
    })
  }
})

describe('values that are not handlers', () => {
  const wrong: Record<string, unknown> = {
    nothing: null,
    'a string': 'handler',
    'one without any callback': {},
    'one without a callback for errors': { onRequestStart: () => undefined },
    'one without a callback for data': { onRequestStart: () => undefined, onResponseError: () => undefined },
    'one with something else for a callback': {
      onRequestStart: () => undefined,
      onResponseError: () => undefined,
      onBodySent: 5,
    },
  }
  for (const [kind, handler] of Object.entries(wrong)) {
    sameAsUndici(`${kind} is refused`, {
      server: http(echo),
      call: async (way) => {
        const errors: unknown[] = []
        const listening =
          typeof handler === 'object' && handler !== null && 'onResponseError' in handler
            ? { ...handler, onResponseError: (_controller: unknown, error: Error) => errors.push(error) }
            : handler
        try {
          way.dispatcher.dispatch(put(way, 'body'), listening as never)
        } catch (error) {
          errors.push(error)
        }
        await expect.poll(() => errors).not.toEqual([])
        await delivered()
        return errors
      },
      sees: [expect.objectContaining({ code: 'UND_ERR_INVALID_ARG' })],
      anyBytes: true,
    })
  }
  for (const [kind, options] of [
    ['nothing', null],
    ['a string', 'options'],
    ['an origin that is none', { origin: 5, path: '/', method: 'GET' }],
    ['no origin', { path: '/', method: 'GET' }],
    ['an origin of another protocol', { origin: 'ftp://127.0.1.1', path: '/', method: 'GET' }],
  ] as const) {
    sameAsUndici(`${kind} for options is refused`, {
      server: http(echo),
      call: (way) => trace(way.dispatcher, options as never),
      sees: [expect.stringContaining('UND_ERR_INVALID_ARG')],
    })
  }
})
