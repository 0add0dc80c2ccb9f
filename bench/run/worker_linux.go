package run

import (
	"fmt"
	"os"

	"github.com/roost-ws/roost/bench/load"
)

// WorkerCommand is the hidden command with which this program, started again
// as a child, becomes a load worker.
const WorkerCommand = "load-worker"

// Worker is a load client in a process of its own.
type Worker struct {
	*load.Worker
	process *Process
	in, out *os.File
}

// StartWorker starts the running program again as a load worker: its CPU time
// and memory are then not the harness's, and several can run side by side.
func StartWorker() (*Worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	orders, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	out, answers, err := os.Pipe()
	if err != nil {
		orders.Close()
		in.Close()
		return nil, fmt.Errorf("run: %w", err)
	}
	p, err := Start(Spec{Argv: []string{self, WorkerCommand}, Stdin: orders, Stdout: answers})
	orders.Close()
	answers.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return &Worker{Worker: load.NewWorker(in, out), process: p, in: in, out: out}, nil
}

// PID is the worker's process.
func (w *Worker) PID() int { return w.process.PID }

// Last is the end of what the worker printed besides its answers.
func (w *Worker) Last() string { return w.process.Last() }

// Stop ends the worker, which resets its connections.
func (w *Worker) Stop() error {
	w.in.Close()
	defer w.out.Close()
	return w.process.Stop()
}

// kill ends the worker in the middle of whatever it is doing.
func (w *Worker) kill() { _ = w.process.cmd.Process.Kill() }
