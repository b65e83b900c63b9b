package workflow

import (
	"context"
	"sync"
	"time"

	"lambent.dev/go/internal/instance"
)

// StepInfo is what the code of a step may want to know.
type StepInfo struct {
	// Attempt counts from 1.
	Attempt int
	// IdempotencyKey is the same for each attempt of the step and for no other.
	IdempotencyKey string
}

type stepKey struct{}

// StepOf finds the step that a context belongs to.
func StepOf(ctx context.Context) (StepInfo, bool) {
	info, ok := ctx.Value(stepKey{}).(StepInfo)
	return info, ok
}

// StepBody is the code of a step.
type StepBody struct {
	Name    string
	Timeout time.Duration
	Run     func(context.Context) (Payload, error)
}

// stepRunner runs attempts, each in a goroutine. One ends once: with its result, its error, its time, or because nobody
// wants it.
type stepRunner struct {
	inv    *instance.Invocation
	done   func(op int, output Payload, atMS float64)
	failed func(op int, failure *Failure, retryable bool)

	mu      sync.Mutex
	running map[int]*runningStep
}

type runningStep struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (s *stepRunner) run(op, attempt int, body *StepBody, key string) {
	ctx, cancel := context.WithCancelCause(context.WithValue(s.inv.Context(), stepKey{}, StepInfo{attempt, key}))
	running := &runningStep{cancel: cancel}
	s.mu.Lock()
	if s.running[op] != nil {
		s.mu.Unlock()
		cancel(nil)
		return
	}
	s.running[op] = running
	if body.Timeout > 0 {
		running.timer = time.AfterFunc(body.Timeout, func() {
			err := Timeout("step %s did not end within %d ms", body.Name, body.Timeout.Milliseconds())
			if s.finish(op, running, err) {
				s.failed(op, err.failure(), true)
			}
		})
	}
	s.mu.Unlock()
	go instance.Here.Labelled(s.inv, func() { s.attempt(ctx, op, running, body) })
}

func (s *stepRunner) attempt(ctx context.Context, op int, running *runningStep, body *StepBody) {
	defer func() {
		if thrown := recover(); thrown != nil {
			failure := failureOfPanic(thrown)
			if s.finish(op, running, nil) {
				s.failed(op, failure, true)
			}
			return
		}
		// A goroutine that ended by itself.
		err := misuse("E_FUNCTION_EXITED", "the code of step %s ended its goroutine without a result", body.Name)
		if s.finish(op, running, nil) {
			s.failed(op, err.failure(), true)
		}
	}()
	output, err := body.Run(ctx)
	if !s.finish(op, running, nil) {
		return
	}
	if err != nil {
		s.failed(op, failureOf(err), isRetryable(err))
		return
	}
	s.done(op, output, float64(time.Now().UnixMilli()))
}

func (s *stepRunner) finish(op int, running *runningStep, cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[op] != running {
		return false
	}
	delete(s.running, op)
	if running.timer != nil {
		running.timer.Stop()
	}
	running.cancel(cause)
	return true
}

func (s *stepRunner) abort(op int, cause error) {
	s.mu.Lock()
	running := s.running[op]
	s.mu.Unlock()
	if running != nil {
		s.finish(op, running, cause)
	}
}

func (s *stepRunner) abortAll(cause error) {
	s.mu.Lock()
	ops := make([]int, 0, len(s.running))
	for op := range s.running {
		ops = append(ops, op)
	}
	s.mu.Unlock()
	for _, op := range ops {
		s.abort(op, cause)
	}
}
