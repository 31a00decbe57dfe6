import type { Dispatcher } from 'undici'

type Callback = Exclude<keyof Dispatcher.DispatchHandler, 'onRequestUpgrade'> | 'onRequestUpgrade'

export interface Traced {
  /** Every callback in order, with what it was told. Pieces of one body are put together. */
  readonly callbacks: string[]
  readonly ended: Promise<void>
  readonly handler: Dispatcher.DispatchHandler
  controller: Dispatcher.DispatchController | undefined
}

/** A handler that writes down what it is told. @param act runs within a callback, where it may throw or abort. */
export function traced(
  act: (callback: Callback, controller: Dispatcher.DispatchController | undefined) => void = () => undefined,
): Traced {
  const callbacks: string[] = []
  let over = false
  const end = Promise.withResolvers<void>()
  const told = (callback: Callback, facts: unknown[], controller?: Dispatcher.DispatchController): void => {
    const line = [
      callback,
      ...facts.map((fact) => (typeof fact === 'string' ? fact : JSON.stringify(fact))),
    ].join(' ')
    // undici goes on with what it was about to do when a handler throws or aborts within it.
    if (over && callback.endsWith('Sent')) return
    over ||= callback === 'onResponseError'
    // How a body is cut into pieces is the network's business.
    if (callback !== 'onResponseData' || callbacks.at(-1) !== line) callbacks.push(line)
    if (controller !== undefined) call.controller = controller
    act(callback, call.controller)
  }
  const call: Traced = {
    callbacks,
    ended: end.promise,
    controller: undefined,
    handler: {
      onRequestStart: (controller, context) => told('onRequestStart', [context], controller),
      onBodySent: (chunk: Buffer) => told('onBodySent', [Buffer.from(chunk).toString()]),
      onRequestSent: () => told('onRequestSent', []),
      onResponseStarted: () => told('onResponseStarted', []),
      onResponseStart: (controller, status, headers, text) =>
        told('onResponseStart', [status, headers, text, rawOf(controller.rawHeaders)], controller),
      onResponseData: (controller) => told('onResponseData', [], controller),
      onResponseEnd(controller, trailers) {
        try {
          told('onResponseEnd', [trailers, rawOf(controller.rawTrailers)], controller)
        } finally {
          end.resolve()
        }
      },
      onResponseError(_controller, error) {
        end.resolve()
        told('onResponseError', [error.name, (error as NodeJS.ErrnoException).code ?? '-', error.message])
      },
      onRequestUpgrade(controller, status, headers, socket) {
        try {
          told('onRequestUpgrade', [status, headers], controller)
        } finally {
          socket.destroy()
          end.resolve()
        }
      },
    },
  }
  return call
}

function rawOf(raw: unknown): unknown {
  return Array.isArray(raw) ? raw.map(String) : raw
}

/** One call, to its end. */
export async function trace(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  act?: Parameters<typeof traced>[0],
): Promise<string[]> {
  const { handler, ended, callbacks } = traced(act)
  dispatcher.dispatch(options, handler)
  await ended
  // What is told after the end would be told by then.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  return callbacks
}
