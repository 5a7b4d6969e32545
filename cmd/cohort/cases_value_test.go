package main

var valueCases []fieldCase
