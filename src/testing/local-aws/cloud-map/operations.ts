import type { Clock, Random } from '../../../core/clock.ts'
import { AwsError } from './aws-error.ts'
import { randomId } from '../chance.ts'
import { Delays } from '../delays.ts'
import type { Operation, OperationType } from '../model.ts'

interface Running {
  readonly key: string
  readonly creatorRequestId: string | undefined
  /** What the operation does when its time has come; what it throws makes it fail. */
  readonly effect: () => void
}

/**
 * Cloud Map's slow work: SUBMITTED, then PENDING, then SUCCESS or FAIL, a step apart. The effect shows with
 * the last step, so that what is registered cannot be discovered before.
 */
export class Operations {
  /** Time that each of the two steps takes; the next step of a running operation takes the new one. */
  stepMs: number
  readonly #random: Random
  readonly #failure: () => AwsError | undefined
  readonly #byId = new Map<string, Operation>()
  readonly #running = new Map<string, Running>()
  readonly #delays: Delays

  /** @param failure asked at the end of every operation: with an error it ends in FAIL, without its effect */
  constructor(
    clock: Clock,
    random: Random,
    stepMs: number,
    failure: () => AwsError | undefined = () => undefined,
  ) {
    this.#delays = new Delays(clock)
    this.#random = random
    this.stepMs = stepMs
    this.#failure = failure
  }

  /** @throws AwsError `OperationNotFound` */
  get(id: string): Operation {
    const operation = this.#byId.get(id)
    if (operation === undefined) throw new AwsError('OperationNotFound', `no operation ${id}`)
    return operation
  }

  /**
   * @param resource what must not be worked on twice at a time
   * @returns its id: that of the running one when the same request comes again
   * @throws AwsError `DuplicateRequest` when another operation on the resource runs
   */
  submit(
    type: OperationType,
    resource: string,
    targets: Readonly<Record<string, string>>,
    effect: () => void,
    creatorRequestId?: string,
  ): string {
    for (const [id, running] of this.#running) {
      if (running.key !== resource) continue
      const same = creatorRequestId !== undefined && running.creatorRequestId === creatorRequestId
      if (same && this.get(id).type === type) return id
      throw new AwsError('DuplicateRequest', `operation ${id} on ${resource} is in progress`, 400, {
        DuplicateOperationId: id,
      })
    }
    const id = `${randomId(this.#random, 32)}-${randomId(this.#random, 8)}`
    this.#byId.set(id, { id, type, status: 'SUBMITTED', targets, error: undefined })
    this.#running.set(id, { key: resource, creatorRequestId, effect })
    this.#delays.after(this.stepMs, () => {
      this.#update(id, { status: 'PENDING' })
      this.#delays.after(this.stepMs, () => this.#finish(id))
    })
    return id
  }

  /** Operations that run stay as they are for ever. */
  close(): void {
    this.#delays.close()
  }

  #finish(id: string): void {
    const running = this.#running.get(id)
    this.#running.delete(id)
    try {
      const failure = this.#failure()
      if (failure !== undefined) throw failure
      running?.effect()
      this.#update(id, { status: 'SUCCESS' })
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      this.#update(id, { status: 'FAIL', error: { code: error.code, message: error.message } })
    }
  }

  #update(id: string, change: Partial<Operation>): void {
    this.#byId.set(id, { ...this.get(id), ...change })
  }
}
