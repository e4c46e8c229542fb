// A gRPC client of grpc-go, without generated code: it learns the contract by server reflection, as grpcurl does.
//
// Usage: client ADDRESS. Calls come in on standard input, one JSON object a line, and what became of each goes out on
// standard output in the same order. Messages travel in their binary form, as base64.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jhump/protoreflect/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

type call struct {
	// E.g. "llmgateway.v1.InferenceService/Complete".
	Method   string            `json:"method"`
	Request  []byte            `json:"request"`
	Metadata map[string]string `json:"metadata"`
	// 0: none.
	DeadlineMs int `json:"deadlineMs"`
	// The call is cancelled when this many messages have come; 0: never.
	CancelAfter int  `json:"cancelAfter"`
	Gzip        bool `json:"gzip"`
}

type detail struct {
	Type  string `json:"type"`
	Value []byte `json:"value"`
}

type outcome struct {
	Messages [][]byte    `json:"messages"`
	Code     int         `json:"code"`
	Message  string      `json:"message"`
	Details  []detail    `json:"details"`
	Header   metadata.MD `json:"header"`
	Trailer  metadata.MD `json:"trailer"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	reflection := grpcreflect.NewClientAuto(context.Background(), connection)
	defer reflection.Reset()
	calls := json.NewDecoder(os.Stdin)
	outcomes := json.NewEncoder(os.Stdout)
	for {
		var next call
		if err := calls.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		method, err := find(reflection, next.Method)
		if err != nil {
			return err
		}
		answer, err := perform(connection, method, next)
		if err != nil {
			return err
		}
		if err := outcomes.Encode(answer); err != nil {
			return err
		}
	}
}

func find(reflection *grpcreflect.Client, path string) (protoreflect.MethodDescriptor, error) {
	service, name, _ := strings.Cut(path, "/")
	descriptor, err := reflection.ResolveService(service)
	if err != nil {
		return nil, err
	}
	method := descriptor.FindMethodByName(name)
	if method == nil {
		return nil, fmt.Errorf("%s has no method %s", service, name)
	}
	return method.UnwrapMethod(), nil
}

func perform(connection *grpc.ClientConn, method protoreflect.MethodDescriptor, next call) (outcome, error) {
	request := dynamicpb.NewMessage(method.Input())
	if err := proto.Unmarshal(next.Request, request); err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), metadata.New(next.Metadata)))
	defer cancel()
	if next.DeadlineMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(next.DeadlineMs)*time.Millisecond)
		defer cancel()
	}
	answer := outcome{Messages: [][]byte{}, Details: []detail{}}
	options := []grpc.CallOption{grpc.Header(&answer.Header), grpc.Trailer(&answer.Trailer)}
	if next.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	shape := &grpc.StreamDesc{ServerStreams: method.IsStreamingServer()}
	stream, err := connection.NewStream(ctx, shape, "/"+next.Method, options...)
	if err == nil {
		err = stream.SendMsg(request)
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = stream.CloseSend()
	}
	for err == nil {
		response := dynamicpb.NewMessage(method.Output())
		if err = stream.RecvMsg(response); err != nil {
			break
		}
		bytes, failure := proto.MarshalOptions{Deterministic: true}.Marshal(response)
		if failure != nil {
			return outcome{}, failure
		}
		answer.Messages = append(answer.Messages, bytes)
		if len(answer.Messages) == next.CancelAfter {
			cancel()
		}
		if !method.IsStreamingServer() {
			// The status of a unary call came with its message.
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	ended := status.Convert(err)
	answer.Code, answer.Message = int(ended.Code()), ended.Message()
	for _, packed := range ended.Proto().GetDetails() {
		answer.Details = append(answer.Details, detail{packed.GetTypeUrl(), packed.GetValue()})
	}
	return answer, nil
}
