import { Readable } from 'node:stream'
import { FormData, Headers } from 'undici'
import { describe, expect } from 'vitest'
import { asked, echo, type RequestOptions } from './support/echo.ts'
import { sameAsUndici, type Scenario, type Serving } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

const server: Serving = (transport) => WireServer.http(echo, transport)
/** HTTP/2 has no words beside its status. */
const answered = (text: unknown): Pick<Scenario, 'sees' | 'seesOver'> => ({
  sees: expect.objectContaining({ statusCode: 200, statusText: 'OK', text }),
  seesOver: { h2: expect.objectContaining({ statusCode: 200, statusText: '', text }) },
})
const refused = (code: unknown): unknown => expect.objectContaining({ code })

async function* generated(...parts: (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  yield* parts
}

function form(): FormData {
  const fields = new FormData()
  fields.append('plain', 'one\ntwo')
  fields.append('na"me\r\n', 'ü')
  fields.append('file', new Blob(['contents'], { type: 'text/plain' }), 'a "file".txt')
  fields.append('file', new Blob(['no type']))
  return fields
}

/** Over HTTP/2 this library hands streams on piece by piece. */
const OTHER_WORDS = 'this library looks at the pieces before undici does, and says it in other words'
const NO_LENGTH = 'of a stream that this library hands on in pieces, undici does not know the length'

describe('methods', () => {
  for (const method of [
    'GET',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'HEAD',
    'OPTIONS',
    'TRACE',
    'QUERY',
    'MKCOL',
  ]) {
    sameAsUndici(`${method} without a body`, {
      server,
      call: (way) => asked(way, { method, path: '/a/b?c=d%20e' }),
      ...answered(''),
    })
  }
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'OPTIONS']) {
    sameAsUndici(`${method} with a body`, {
      server,
      call: (way) => asked(way, { method, body: 'body' }),
      ...answered('body'),
    })
  }
  sameAsUndici('an empty body', {
    server,
    call: (way) => asked(way, { method: 'POST', body: '' }),
    ...answered(''),
  })
})

describe('bodies', () => {
  const bodies: Record<string, () => unknown> = {
    'a string': () => 'bödy',
    'a Buffer': () => Buffer.from('body'),
    'a Uint8Array that is part of a larger buffer': () => new TextEncoder().encode('a body').subarray(2),
    'a Uint16Array': () => new Uint16Array([0x6f62, 0x7964]),
    'a DataView': () => new DataView(new TextEncoder().encode('body').buffer),
    'an ArrayBuffer': () => new TextEncoder().encode('body').buffer,
    'a Blob': () => new Blob(['bo', 'dy'], { type: 'text/x' }),
    'a Blob without a type': () => new Blob(['body']),
    'a FormData': form,
    'an empty FormData': () => new FormData(),
    'a Readable of strings': () => Readable.from(['bo', 'dy']),
    'a Readable of bytes': () => Readable.from([Buffer.from('bo'), Buffer.from('dy')], { objectMode: false }),
    'a Readable that is empty': () => Readable.from([]),
    'a Readable that has all it will have': () => {
      const stream = new Readable({ read() {} })
      stream.push('body')
      stream.push(null)
      return stream
    },
    'a web stream': () => new Blob(['body']).stream(),
    'a generator': () => generated('bo', Buffer.from('dy')),
    'a generator of nothing': () => generated(),
    'an array of strings': () => ['bo', 'dy'],
    'an iterable': () => new Set(['bo', 'dy']),
  }
  for (const [kind, body] of Object.entries(bodies)) {
    for (const method of ['PUT', 'POST']) {
      sameAsUndici(`${method} of ${kind}`, {
        server,
        call: (way) => asked(way, { method, body: body() as never }),
        ...(kind === 'a Readable that has all it will have' ? { notOver: { h2: NO_LENGTH } } : {}),
        ...answered(expect.any(String)),
      })
    }
  }
  for (const kind of ['a Readable of strings', 'a generator', 'a Blob', 'a FormData', 'a web stream']) {
    sameAsUndici(`${kind} with a type of the caller's`, {
      server,
      call: (way) =>
        asked(way, { method: 'PUT', headers: { 'content-type': 'x/y' }, body: bodies[kind]?.() as never }),
      ...answered(expect.any(String)),
    })
  }
  for (const kind of ['a Readable of strings', 'a generator', 'a Blob', 'a web stream']) {
    sameAsUndici(`${kind} with its length`, {
      server,
      call: (way) =>
        asked(way, { method: 'PUT', headers: { 'content-length': '4' }, body: bodies[kind]?.() as never }),
      ...answered('body'),
    })
  }

  const wrong: Record<string, [RequestOptions['body'] | object, string, string]> = {
    'a string that is longer than announced': ['body', '3', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
    'a string that is shorter than announced': ['body', '5', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
    'a generator that is longer than announced': [['bo', 'dy'], '3', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
    'a generator that is shorter than announced': [['bo', 'dy'], '5', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
    'a number': [5 as never, '1', 'UND_ERR_INVALID_ARG'],
    'an object': [{ a: 'b' }, '1', 'UND_ERR_INVALID_ARG'],
    'numbers by an iterable': [[1, 2] as never, '2', 'ERR_INVALID_ARG_TYPE'],
  }
  for (const [kind, [body, length, code]] of Object.entries(wrong)) {
    sameAsUndici(`${kind} is refused`, {
      server,
      call: (way) =>
        asked(way, { method: 'PUT', headers: { 'content-length': length }, body: body as never }),
      sees: refused(code),
      ...(kind.startsWith('numbers') ? { notOver: { h2: OTHER_WORDS } } : {}),
      // The server counts, too, and ends the stream.
      ...(kind.startsWith('a generator') ? { seesOver: { h2: refused(expect.any(String)) } } : {}),
      anyBytes: true,
    })
  }
  /** Pieces that no socket takes, from iterators that tell what is done with them. */
  const nonsense: Record<string, unknown> = {
    'a number': 5,
    'an object': {},
    null: null,
    undefined,
    'an ArrayBuffer': new ArrayBuffer(4),
    'an array': ['a'],
  }
  const iterators: Record<string, (piece: unknown, done: () => void) => unknown> = {
    'an async generator': (piece, done) =>
      (async function* () {
        try {
          yield 'one'
          yield piece
        } finally {
          done()
        }
      })(),
    'a generator': (piece, done) =>
      (function* () {
        try {
          yield 'one'
          yield piece
        } finally {
          done()
        }
      })(),
    'an iterator by hand': (piece, done) => {
      let count = 0
      const next = (): object => ({ done: false, value: count++ === 0 ? 'one' : piece })
      const end = (): object => (done(), { done: true, value: undefined })
      return { [Symbol.asyncIterator]: () => ({ next: async () => next(), return: async () => end() }) }
    },
  }
  for (const [kind, make] of Object.entries(iterators)) {
    for (const [what, piece] of Object.entries(nonsense)) {
      sameAsUndici(`${kind} that yields ${what} is closed, once`, {
        notOver: { h2: OTHER_WORDS },
        server,
        call: async (way) => {
          let closed = 0
          const done = Promise.withResolvers<void>()
          const body = make(piece, () => (closed++, done.resolve()))
          const error: unknown = await asked(way, { method: 'PUT', body: body as never }).catch(
            (reason: unknown) => reason,
          )
          await done.promise
          await new Promise((resolve) => setImmediate(resolve))
          return [error, closed]
        },
        sees: [expect.objectContaining({ error: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }), 1],
        anyBytes: true,
      })
    }
  }
  sameAsUndici('an iterator whose next fails is not closed: it is over', {
    server,
    call: async (way) => {
      let closed = 0
      const body = {
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.reject(new RangeError('disk')),
          return: async () => (closed++, { done: true, value: undefined }),
        }),
      }
      const error: unknown = await asked(way, { method: 'PUT', body: body as never }).catch(
        (reason: unknown) => reason,
      )
      await new Promise((resolve) => setImmediate(resolve))
      return [error, closed]
    },
    sees: [{ error: 'RangeError', message: 'disk' }, 0],
    anyBytes: true,
  })
  sameAsUndici('promises by an iterable are waited for', {
    server,
    call: (way) =>
      asked(way, {
        method: 'PUT',
        body: [Promise.resolve('bo'), 'd', Promise.resolve(Buffer.from('y'))] as never,
      }),
    ...answered('body'),
  })
  sameAsUndici('what a body fails with is what the caller hears', {
    server,
    call: (way) =>
      asked(way, {
        method: 'PUT',
        body: Readable.from(
          (async function* () {
            yield 'bo'
            throw new RangeError('disk')
          })(),
        ),
      }),
    sees: { error: 'RangeError', message: 'disk' },
    anyBytes: true,
  })
})

describe('headers', () => {
  // undici takes it for the name that the certificate has to have.
  const wrongName = refused('ERR_TLS_CERT_ALTNAME_INVALID')
  const WRONG_NAME = { https: wrongName, h2: wrongName }
  const kinds: Record<string, () => unknown> = {
    'as an object': () => ({ 'X-One': '1', two: ['a', 'b'], none: undefined, empty: null, number: 5 }),
    'as a flat array': () => ['X-One', '1', 'two', 'a', 'two', 'b'],
    'as Headers': () => new Headers({ 'X-One': '1', two: 'a' }),
    "as Node's Headers": () => new globalThis.Headers({ 'X-One': '1' }),
    'as a Map': () => new Map([['X-One', '1']]),
    'by an iterator': () => new Map([['X-One', '1']]).entries(),
    'that are undici’s to write': () => ({ connection: 'keep-alive' }),
    'that end the connection': () => ({ connection: 'close' }),
    'with a host of the caller’s': () => ({ host: 'elsewhere.example' }),
    'of none': () => null,
  }
  for (const [kind, headers] of Object.entries(kinds)) {
    sameAsUndici(kind, {
      server,
      call: (way) => asked(way, { headers: headers() as never }),
      ...answered(''),
      ...(kind.startsWith('with a host') ? { seesOver: WRONG_NAME } : {}),
    })
  }
  const wrong: Record<string, [() => unknown, string]> = {
    'a flat array that is odd': [() => ['one'], 'UND_ERR_INVALID_ARG'],
    'a name that is none': [() => ({ 'a b': 'c' }), 'UND_ERR_INVALID_ARG'],
    'a value with a line break': [() => ({ a: 'b\nc' }), 'UND_ERR_INVALID_ARG'],
    'an object for a value': [() => ({ a: {} }), 'UND_ERR_INVALID_ARG'],
    'two hosts': [() => ['host', 'a', 'host', 'b'], 'UND_ERR_INVALID_ARG'],
    'a transfer-encoding': [() => ({ 'transfer-encoding': 'chunked' }), 'UND_ERR_INVALID_ARG'],
    'a length that is none': [() => ({ 'content-length': 'x' }), 'UND_ERR_INVALID_ARG'],
    'an expectation': [() => ({ expect: '100-continue' }), 'UND_ERR_NOT_SUPPORTED'],
    'a string': [() => 'a: b', 'UND_ERR_INVALID_ARG'],
    'an iterable of other things': [() => new Set(['a', 'b']), 'UND_ERR_INVALID_ARG'],
    'an iterator of other things': [() => new Set(['a', 'b']).values(), 'UND_ERR_INVALID_ARG'],
  }
  for (const [kind, [headers, code]] of Object.entries(wrong)) {
    sameAsUndici(`${kind} is refused`, {
      server,
      call: (way) => asked(way, { headers: headers() as never }),
      sees: refused(code),
    })
  }
})

describe('headers that are changed after the call began are sent as they were', () => {
  const kinds: Record<string, () => [unknown, () => void]> = {
    'an object': () => {
      const headers: Record<string, unknown> = { test: 'test', gone: '1' }
      return [headers, () => (Object.assign(headers, { test: 'asd', added: '1' }), delete headers['gone'])]
    },
    'an object of arrays': () => {
      const values = ['test']
      return [{ test: values }, () => void values.splice(0, 1, 'asd', 'more')]
    },
    'a flat array': () => {
      const headers = ['test', 'test']
      return [headers, () => void headers.splice(0, 2, 'test', 'asd', 'added', '1')]
    },
    'a Map': () => {
      const headers = new Map([['test', 'test']])
      return [headers, () => void headers.set('test', 'asd').set('added', '1')]
    },
    Headers: () => {
      const headers = new Headers({ test: 'test' })
      return [headers, () => headers.set('test', 'asd')]
    },
  }
  for (const [kind, make] of Object.entries(kinds)) {
    sameAsUndici(kind, {
      server,
      call: async (way) => {
        const seen = []
        // Without a connection, and with one.
        for (let call = 0; call < 2; call++) {
          const [headers, change] = make()
          const answer = asked(way, { headers: headers as never })
          change()
          seen.push(await answer)
        }
        return seen
      },
      sees: [answered('').sees, answered('').sees],
      seesOver: { h2: [answered('').seesOver?.h2, answered('').seesOver?.h2] },
    })
  }
  sameAsUndici('and so are the other options', {
    server,
    call: async (way) => {
      const options = { origin: way.origin, path: '/first', method: 'PUT', body: 'first', headers: {} }
      const answer = way.dispatcher.request(options)
      Object.assign(options, { path: '/second', method: 'POST', body: 'second', headers: { added: '1' } })
      return (await answer).body.text()
    },
    sees: 'first',
  })
})

describe('options', () => {
  const wrong: Record<string, RequestOptions> = {
    path: { path: 'no-slash' },
    'path with a blank': { path: '/a b' },
    method: { method: 'G T' },
    headersTimeout: { headersTimeout: -1 },
    bodyTimeout: { bodyTimeout: Number.NaN },
    reset: { reset: 'yes' as never },
    expectContinue: { expectContinue: 1 as never },
    throwOnError: { throwOnError: true } as never,
    maxRedirections: { maxRedirections: 2 } as never,
    dispatcher: { dispatcher: {} } as never,
    signal: { signal: {} as never },
    opaque: { responseHeaders: 'wrong' as never },
  }
  for (const [name, options] of Object.entries(wrong)) {
    sameAsUndici(`${name} that is wrong`, {
      server,
      call: (way) => asked(way, options),
      ...(name === 'opaque' ? answered('') : { sees: refused('UND_ERR_INVALID_ARG') }),
    })
  }
  sameAsUndici('a protocol that is wrong', {
    server,
    call: (way) => way.dispatcher.upgrade({ origin: way.origin, path: '/', protocol: 'a\nb' } as never),
    sees: refused('UND_ERR_INVALID_ARG'),
  })
  sameAsUndici('a query', {
    server,
    call: (way) => asked(way, { query: { a: 'b c', d: [1, 2] } }),
    ...answered(''),
  })
  sameAsUndici('raw response headers', {
    server,
    call: (way) => asked(way, { responseHeaders: 'raw' }),
    ...answered(''),
  })
  for (const upgrade of ['', null, false, undefined]) {
    sameAsUndici(`an upgrade to nothing: ${JSON.stringify(upgrade)}`, {
      server,
      call: (way) => asked(way, { upgrade } as never),
      ...answered(''),
    })
  }
  sameAsUndici('reset', { server, call: (way) => asked(way, { reset: true }), ...answered('') })
})
