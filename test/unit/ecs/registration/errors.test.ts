import { expect, test } from 'vitest'
import { isRetriable, registrationError } from '../../../../src/ecs/registration/errors.ts'

test.each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])(
  '%s: the SDK is not installed, which is not an outage and is not retried',
  (code) => {
    const missing = Object.assign(new Error("Cannot find package '@aws-sdk/client-servicediscovery'"), {
      code,
    })
    const error = registrationError('srv-1', 'GetService', '*', missing)
    expect(error).toMatchObject({ failure: 'invalid', cause: missing })
    expect(error.message).toMatch(/install @aws-sdk\/client-servicediscovery/)
    expect(isRetriable(error)).toBe(false)
  },
)
