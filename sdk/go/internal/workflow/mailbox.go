package workflow

import (
	"sort"
	"strings"
	"time"
)

// mailbox has the signals, updates and queries of one execution. What comes before anybody asks for it is kept, in order.
type mailbox struct {
	run      *Run
	queries  map[string]func(Payload) (Payload, error)
	handlers map[string]func(Payload) error
	updates  map[string]func(*Thread, Payload) (Payload, error)
	kept     map[string][]letter
	takers   map[string][]*wait
}

type letter struct {
	input  Payload
	update string
}

func newMailbox(run *Run) mailbox {
	return mailbox{
		run:      run,
		queries:  map[string]func(Payload) (Payload, error){},
		handlers: map[string]func(Payload) error{},
		updates:  map[string]func(*Thread, Payload) (Payload, error){},
		kept:     map[string][]letter{},
		takers:   map[string][]*wait{},
	}
}

// OnSignal has each signal of a name handled, those that came before included.
func (t *Thread) OnSignal(name string, handle func(Payload) error) error {
	t.run.mailbox.handlers[name] = handle
	return t.run.mailbox.serve(name)
}

// OnUpdate has each update of a name answered, in a thread of its own.
func (t *Thread) OnUpdate(name string, handle func(*Thread, Payload) (Payload, error)) error {
	t.run.mailbox.updates[name] = handle
	return t.run.mailbox.serve(name)
}

// OnQuery has questions answered.
func (t *Thread) OnQuery(name string, answer func(Payload) (Payload, error)) {
	t.run.mailbox.queries[name] = answer
}

// Receive waits for the next signal of a name.
func (t *Thread) Receive(name string, timeout time.Duration) (Payload, error) {
	if err := t.check("the wait for signal " + name); err != nil {
		return null, err
	}
	m := &t.run.mailbox
	taker := &wait{thread: t}
	m.takers[name] = append(m.takers[name], taker)
	t.run.waits = append(t.run.waits, taker)
	defer func() {
		m.takers[name] = without(m.takers[name], taker)
		t.run.waits = without(t.run.waits, taker)
	}()
	if err := m.serve(name); err != nil {
		return null, err
	}
	came, err := t.within(taker, timeout)
	if err != nil {
		return null, err
	}
	if !came {
		return null, Timeout("no signal %s came in time", name)
	}
	return taker.payload, nil
}

func (m *mailbox) receive(name string, input Payload, update string) error {
	m.kept[name] = append(m.kept[name], letter{input, update})
	return m.serve(name)
}

func (m *mailbox) serve(name string) error {
	for len(m.kept[name]) > 0 {
		first := m.kept[name][0]
		if first.update != "" {
			handle := m.updates[name]
			if handle == nil {
				return nil
			}
			m.kept[name] = m.kept[name][1:]
			m.run.spawn(nil, func(t *Thread) { m.update(t, first, handle) })
			continue
		}
		if handle := m.handlers[name]; handle != nil {
			m.kept[name] = m.kept[name][1:]
			if err := handle(first.input); err != nil {
				return err
			}
			continue
		}
		takers := m.takers[name]
		for len(takers) > 0 && takers[0].isDone {
			takers = takers[1:]
		}
		if len(takers) == 0 {
			return nil
		}
		m.kept[name] = m.kept[name][1:]
		takers[0].isDone, takers[0].payload = true, first.input
		if m.run.current.Load() != takers[0].thread {
			m.run.makeReady([]*Thread{takers[0].thread})
		}
	}
	return nil
}

func (m *mailbox) update(t *Thread, asked letter, handle func(*Thread, Payload) (Payload, error)) {
	var output Payload
	err := contained(func() (err error) {
		output, err = handle(t, asked.input)
		return err
	})
	given := result{Output: &output}
	if err != nil {
		given = result{Error: failureOf(err)}
	}
	m.run.act(act{Kind: "answer", Update: asked.update, Result: &given})
}

// answer answers a query out of the function's variables.
func (m *mailbox) answer(name string, input Payload) (Payload, error) {
	if handle := m.queries[name]; handle != nil {
		return handle(input)
	}
	known := make([]string, 0, len(m.queries))
	for each := range m.queries {
		known = append(known, each)
	}
	sort.Strings(known)
	more := ""
	if len(known) > 0 {
		more = "; it answers " + strings.Join(known, ", ")
	}
	return null, misuse("E_NOT_FOUND", "workflow %s answers no query %s%s", m.run.Execution.Workflow, name, more)
}
