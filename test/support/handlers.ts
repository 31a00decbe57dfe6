import type { Dispatcher } from 'undici'

/** The callbacks that undici asks of a handler. They do nothing: a test adds the one that it looks at. */
export const silentHandler: Dispatcher.DispatchHandler = {
  onRequestStart: () => undefined,
  onResponseStart: () => undefined,
  onResponseData: () => undefined,
  onResponseEnd: () => undefined,
  onResponseError: () => undefined,
}

export interface Recording {
  readonly handler: Dispatcher.DispatchHandler
  /** In order: `response 200`, `upgraded`, `data`, `end`, or the message of the error. */
  readonly heard: string[]
  /** Resolves with the end or the error. */
  readonly ended: Promise<void>
}

/** A handler that notes what it hears. */
export function recordingHandler(
  onRequestStart: (controller: Dispatcher.DispatchController) => void = () => undefined,
): Recording {
  const heard: string[] = []
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart,
    onRequestUpgrade: () => void heard.push('upgraded'),
    onResponseStart: (_controller, status) => void heard.push(`response ${status}`),
    onResponseData: () => void heard.push('data'),
    onResponseEnd: () => {
      heard.push('end')
      resolve()
    },
    onResponseError: (_controller, error) => {
      heard.push(error.message)
      resolve()
    },
  }
  return { handler, heard, ended }
}
