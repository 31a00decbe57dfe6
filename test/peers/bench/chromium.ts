/** Chromium without a window, driven by the DevTools protocol over a pipe: no library, and no port. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

export interface View {
  readonly width: number
  readonly height: number
  readonly scheme: 'light' | 'dark'
}

/** What a page did while it was shown. */
export interface Shown {
  /** Errors and warnings of the console, and what scripts threw. */
  readonly complaints: readonly string[]
  /** URLs, that of the page included. */
  readonly requests: readonly string[]
  /** Result of the expression, by value. */
  evaluate(expression: string): Promise<unknown>
  /** The whole page, as PNG. */
  screenshot(): Promise<Buffer>
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

export class Chromium implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #listeners = new Set<(message: Message) => void>()
  #lastId = 0
  #rest = ''

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.#folder = folder
    const output = child.stdio[4] as Readable
    output.on('data', (piece: Buffer) => this.#read(piece.toString()))
  }

  /** @throws Error that says how to get a browser, if there is none */
  static async start(): Promise<Chromium> {
    const folder = await mkdtemp(join(tmpdir(), 'onehop-chromium-'))
    for (const name of NAMES) {
      const child = spawn(
        name,
        [
          ...['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run'],
          ...['--remote-debugging-pipe', `--user-data-dir=${folder}`, 'about:blank'],
        ],
        { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
      )
      const started = await Promise.race([
        once(child, 'spawn').then(() => true),
        once(child, 'error').then(() => false),
      ])
      if (started) return new Chromium(child, folder)
    }
    await rm(folder, { recursive: true })
    throw new Error(`none of ${NAMES.join(', ')} is installed: apt-get install chromium`)
  }

  /** Loads the page, and waits until it is there. */
  async show(url: string, { width, height, scheme }: View): Promise<Shown> {
    const { targetId } = (await this.#send('Target.createTarget', { url: 'about:blank' })) as {
      targetId: string
    }
    const { sessionId } = (await this.#send('Target.attachToTarget', { targetId, flatten: true })) as {
      sessionId: string
    }
    const send = (method: string, params: object = {}): Promise<unknown> =>
      this.#send(method, params, sessionId)
    const complaints: string[] = []
    const requests: string[] = []
    const loaded = Promise.withResolvers<void>()
    this.#listeners.add(({ method, params = {} }) => {
      if (method === 'Page.loadEventFired') loaded.resolve()
      if (method === 'Network.requestWillBeSent') requests.push((params['request'] as { url: string }).url)
      if (
        method === 'Runtime.exceptionThrown' ||
        method === 'Runtime.consoleAPICalled' ||
        method === 'Log.entryAdded'
      )
        complaints.push(JSON.stringify(params))
    })
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`)
    await send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    })
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await send('Emulation.setEmulatedMedia', { features })
    await send('Page.navigate', { url })
    await loaded.promise
    return {
      complaints,
      requests,
      async evaluate(expression) {
        const { result } = (await send('Runtime.evaluate', { expression, returnByValue: true })) as {
          result: { value: unknown }
        }
        return result.value
      },
      async screenshot() {
        const { data } = (await send('Page.captureScreenshot', { captureBeyondViewport: true })) as {
          data: string
        }
        return Buffer.from(data, 'base64')
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit')
    await this.#send('Browser.close').catch(() => undefined)
    await exited
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #send(method: string, params: object = {}, sessionId?: string): Promise<unknown> {
    const id = ++this.#lastId
    const answer = Promise.withResolvers<unknown>()
    this.#waiting.set(id, answer)
    const input = this.#child.stdio[3] as Writable
    input.write(
      `${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`,
    )
    return answer.promise
  }

  /** Messages end with a zero byte. */
  #read(piece: string): void {
    const parts = (this.#rest + piece).split('\0')
    this.#rest = parts.pop() ?? ''
    for (const part of parts) {
      const message = JSON.parse(part) as Message
      if (message.id === undefined) for (const listener of this.#listeners) listener(message)
      else if (message.error === undefined) this.#waiting.get(message.id)?.resolve(message.result)
      else this.#waiting.get(message.id)?.reject(new Error(message.error.message))
    }
  }
}
