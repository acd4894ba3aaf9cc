/** The answer is no, and asking again will not change it. */
export class Refused extends Error {
  readonly status: 404 | 409 | 422

  constructor(status: 404 | 409 | 422, message: string) {
    super(message)
    this.status = status
  }
}
