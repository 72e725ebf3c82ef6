// A module without a job.
export const value = 1;
