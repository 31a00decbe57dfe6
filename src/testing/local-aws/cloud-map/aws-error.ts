/**
 * An error as AWS JSON 1.1 sends it: the SDK raises it under `code`, and copies `fields` onto it
 * (`DuplicateOperationId`, `NamespaceId`, …).
 */
export class AwsError extends Error {
  /** AWS's name of the error, e.g. `ServiceNotFound`. */
  readonly code: string
  /** 400 for what the caller can mend, 5xx for what it cannot. */
  readonly status: number
  /** Further fields of the error, by name. */
  readonly fields: Readonly<Record<string, string>>

  /** The defaults are for an error that the caller can correct. */
  constructor(code: string, message: string, status = 400, fields: Readonly<Record<string, string>> = {}) {
    super(message)
    this.code = code
    this.status = status
    this.fields = fields
  }

  /** The same as `code`. */
  override get name(): string {
    return this.code
  }

  /** The body that goes over the wire. */
  toJSON(): Record<string, string> {
    return { __type: this.code, Message: this.message, ...this.fields }
  }
}

export function invalidInput(message: string): AwsError {
  return new AwsError('InvalidInput', message)
}
