import type { TaskAddress } from './node-agent.ts'

/** An origin that requests go to, as their callers wrote it. */
export class CalledOrigin {
  /** `http://orders.shop.local:8080` */
  readonly url: string
  /** `orders.shop.local:8080` */
  readonly host: string
  #address: TaskAddress = { isSecure: false, connectMs: 0 }

  constructor(protocol: string, host: string) {
    this.url = `${protocol}//${host}`
    this.host = host
  }

  /** The same object for all connections that are made alike. */
  addressOf(isSecure: boolean, connectMs: number): TaskAddress {
    const known = this.#address
    if (known.isSecure !== isSecure || known.connectMs !== connectMs) this.#address = { isSecure, connectMs }
    return this.#address
  }
}
